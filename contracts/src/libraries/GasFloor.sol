// SPDX-License-Identifier: Apache-2.0
pragma solidity 0.8.37;

/// @title Telling "it failed" from "it was starved"
/// @notice A call with bounded gas that fails may have failed because less than the bound was left to give. Whoever
/// would report that failure as its own would be wrong, and the wrong report would be recorded.
library GasFloor {
    /// @dev More than what the EVM takes for making a call, before it counts what it can pass on.
    uint256 private constant COST_OF_CALLING = 5_000;

    /// @notice Call this when a call with at most `bound` gas has failed. Runs out of gas, with all that follows from
    /// that, if at `gasBefore` there was not enough left to give the whole bound (the EVM passes on 63/64).
    function requireBoundWasGiven(uint256 gasBefore, uint256 bound) internal pure {
        if (gasBefore < bound + bound / 63 + COST_OF_CALLING) {
            assembly ("memory-safe") {
                invalid()
            }
        }
    }
}
