// SPDX-License-Identifier: Apache-2.0
pragma solidity 0.8.37;

import {IBatchTaskManager} from "../../src/interfaces/IBatchTaskManager.sol";
import {FailedItem} from "../../src/types/TaskTypes.sol";
import {HeadraceTest} from "./HeadraceTest.sol";
import {Vm, vm} from "./Vm.sol";

/// @notice What the tests of batches share: reading back which items failed, and why.
abstract contract BatchTest is HeadraceTest {
    /// @notice The failures that the batch contract has emitted since `vm.recordLogs()`, and nothing else from it.
    function emittedFailures() internal returns (FailedItem[] memory failures) {
        Vm.Log[] memory logs = vm.getRecordedLogs();
        failures = new FailedItem[](logs.length);
        uint256 count;
        for (uint256 i; i < logs.length; ++i) {
            if (logs[i].emitter != address(batches)) continue;
            vm.assertEq(logs[i].topics[0], IBatchTaskManager.BatchItemFailed.selector, "no other event");
            failures[count++] = FailedItem({
                index: uint256(logs[i].topics[1]),
                taskId: logs[i].topics[2],
                reason: abi.decode(logs[i].data, (bytes))
            });
        }
        assembly ("memory-safe") {
            mstore(failures, count)
        }
    }

    /// @notice The failures that a strict form reverted with.
    function listedFailures(bytes memory reverted) internal view returns (FailedItem[] memory) {
        vm.assertEq(
            bytes32(bytes4(reverted)),
            bytes32(IBatchTaskManager.BatchPartialFailure.selector),
            "a list of failures"
        );
        return this.decodeFailures(reverted);
    }

    function decodeFailures(bytes calldata reverted) external pure returns (FailedItem[] memory) {
        return abi.decode(reverted[4:], (FailedItem[]));
    }

    function assertFailure(FailedItem memory failure, uint256 index, bytes32 taskId, bytes memory reason)
        internal
        pure
    {
        vm.assertEq(failure.index, index, "which item");
        vm.assertEq(failure.taskId, taskId, "which task");
        vm.assertEq(failure.reason, reason, "why");
    }
}
