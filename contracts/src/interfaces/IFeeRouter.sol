// SPDX-License-Identifier: Apache-2.0
pragma solidity 0.8.37;

/// @title Who knows the fee on what is claimed
interface IFeeRouter {
    /// @notice The share of a claim of this token that goes to the collector; 1e18 would be all of it.
    function getOPCFee(address token) external view returns (uint256);

    /// @notice Who gets the fees where an escrow names nobody itself.
    function getOPCCollector() external view returns (address);
}
