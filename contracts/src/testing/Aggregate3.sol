// SPDX-License-Identifier: Apache-2.0
pragma solidity 0.8.37;

/// @title Any calls, one after the other, in one transaction
/// @notice For comparison: what everybody has for batching, with the function of the widely deployed Multicall3. It knows
/// nothing of what it calls. An item gets whatever gas is left, so that one can starve those behind it; who calls
/// is not asked, so that a right given to this contract is given to everybody.
contract Aggregate3 {
    struct Call3 {
        address target;
        bool allowFailure;
        bytes callData;
    }

    struct Result {
        bool success;
        bytes returnData;
    }

    /// @notice Makes all the calls. One that fails undoes all, unless it is allowed to.
    function aggregate3(Call3[] calldata calls) external payable returns (Result[] memory results) {
        results = new Result[](calls.length);
        for (uint256 i; i < calls.length; ++i) {
            Call3 calldata one = calls[i];
            Result memory result = results[i];
            (result.success, result.returnData) = one.target.call(one.callData);
            require(result.success || one.allowFailure, "Aggregate3: call failed");
        }
    }
}
