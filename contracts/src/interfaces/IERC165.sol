// SPDX-License-Identifier: Apache-2.0
pragma solidity 0.8.37;

/// @title Asking a contract which interfaces it implements (ERC-165)
interface IERC165 {
    function supportsInterface(bytes4 interfaceId) external view returns (bool);
}
