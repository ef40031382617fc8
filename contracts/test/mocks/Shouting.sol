// SPDX-License-Identifier: Apache-2.0
pragma solidity 0.8.37;

/// @notice In place of a task manager: refuses everything, at length.
contract Shouting {
    fallback() external {
        assembly {
            mstore(0, not(0))
            revert(0, 20000)
        }
    }
}
