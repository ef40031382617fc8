// SPDX-License-Identifier: Apache-2.0
pragma solidity 0.8.37;

import {IFeeRouter} from "../interfaces/IFeeRouter.sol";

/// @title Whatever fee is wanted
/// @notice For local chains and tests: stands where an escrow asks for its fee. Anyone may change it.
contract TestFeeRouter is IFeeRouter {
    uint256 private _fee;
    /// @dev Counted from 1; 0 for the fee of all others.
    mapping(address token => uint256) private _feeOf;
    /// @inheritdoc IFeeRouter
    address public getOPCCollector;

    constructor(uint256 fee, address collector) {
        set(fee, collector);
    }

    /// @param fee 1e18 would be all of a claim
    function set(uint256 fee, address collector) public {
        _fee = fee;
        getOPCCollector = collector;
    }

    /// @notice Gives a token a fee of its own.
    function setFeeOf(address token, uint256 fee) external {
        _feeOf[token] = fee + 1;
    }

    /// @inheritdoc IFeeRouter
    function getOPCFee(address token) external view returns (uint256) {
        uint256 own = _feeOf[token];
        return own == 0 ? _fee : own - 1;
    }
}
