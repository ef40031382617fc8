// SPDX-License-Identifier: Apache-2.0
pragma solidity 0.8.37;

import {IERC20} from "../interfaces/IERC20.sol";

/// @title ERC-20 transfers that happen or revert
/// @notice Tokens that answer nothing are taken at their word; one that answers anything but true is not.
/// @dev A token that reverts with a reason is quoted. The texts for the others are the ones that callers know from
/// elsewhere.
library TokenTransfer {
    function push(address token, address to, uint256 amount) internal {
        _call(token, abi.encodeCall(IERC20.transfer, (to, amount)));
    }

    function pull(address token, address from, uint256 amount) internal {
        _call(token, abi.encodeCall(IERC20.transferFrom, (from, address(this), amount)));
    }

    function _call(address token, bytes memory call) private {
        // A call to an address without code succeeds.
        require(token.code.length != 0, "Address: call to non-contract");
        (bool ok, bytes memory answer) = token.call(call);
        if (!ok) {
            require(answer.length != 0, "SafeERC20: low-level call failed");
            assembly ("memory-safe") {
                revert(add(answer, 0x20), mload(answer))
            }
        }
        require(
            answer.length == 0 || (answer.length >= 32 && bytes32(answer) == bytes32(uint256(1))),
            "SafeERC20: ERC20 operation did not succeed"
        );
    }
}
