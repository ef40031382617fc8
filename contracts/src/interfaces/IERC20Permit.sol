// SPDX-License-Identifier: Apache-2.0
pragma solidity 0.8.37;

/// @title ERC-2612: an approval by signature
interface IERC20Permit {
    function permit(address owner, address spender, uint256 value, uint256 deadline, uint8 v, bytes32 r, bytes32 s)
        external;

    function nonces(address owner) external view returns (uint256);

    function DOMAIN_SEPARATOR() external view returns (bytes32);
}
