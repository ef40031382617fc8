// SPDX-License-Identifier: Apache-2.0
pragma solidity 0.8.37;

import {IBatchTaskManager} from "../src/interfaces/IBatchTaskManager.sol";
import {IOwned} from "../src/interfaces/IOwned.sol";
import {ITaskManager} from "../src/interfaces/ITaskManager.sol";
import {FailedItem, Task, TaskResponse} from "../src/types/TaskTypes.sol";
import {BatchTest} from "./base/BatchTest.sol";
import {vm} from "./base/Vm.sol";

contract BatchTaskManagerTest is BatchTest {
    uint256 private constant ITEMS = 5;

    Task[] private _tasks;
    TaskResponse[] private _responses;
    bytes[] private _signatures;

    function test_TheOwnerAndTheAuthorisedMaySend() external {
        (Task[] memory tasks,,) = goodBatch(1, 2);
        vm.prank(OWNER);
        batches.batchCreateTasks(tasks);
        (tasks,,) = goodBatch(3, 2);
        vm.prank(LANE);
        batches.batchCreateTasks(tasks);
        vm.assertTrue(batches.isAuthorized(LANE), "the lane");
        vm.assertTrue(batches.isAuthorized(OWNER), "the owner");
        vm.assertFalse(batches.isAuthorized(STRANGER), "a stranger");
    }

    function test_NobodyElseMaySend() external {
        vm.prank(OWNER);
        batches.removeAuthorized(LANE);
        Task[] memory tasks;
        TaskResponse[] memory responses;
        bytes[] memory signatures;
        bytes memory refusal = abi.encodeWithSelector(IOwned.Unauthorized.selector);
        vm.expectRevert(refusal);
        vm.prank(LANE);
        batches.batchCreateTasks(tasks);
        vm.expectRevert(refusal);
        vm.prank(LANE);
        batches.tryBatchCreateTasks(tasks);
        vm.expectRevert(refusal);
        vm.prank(LANE);
        batches.batchRespondToTasks(tasks, responses, signatures);
        vm.expectRevert(refusal);
        vm.prank(LANE);
        batches.tryBatchRespondToTasks(tasks, responses, signatures);
        vm.expectRevert(refusal);
        vm.prank(LANE);
        batches.batchCreateAndRespondToTasks(tasks, responses, signatures);
        vm.expectRevert(refusal);
        vm.prank(LANE);
        batches.tryBatchCreateAndRespondToTasks(tasks, responses, signatures);
    }

    /// @dev The registered generator must not be anybody's deputy: a good batch of a stranger records nothing.
    function test_AStrangerCannotMakeTheGeneratorRecord() external {
        _good(ITEMS);
        bytes memory refusal = abi.encodeWithSelector(IOwned.Unauthorized.selector);
        vm.expectRevert(refusal);
        vm.prank(STRANGER);
        batches.batchCreateTasks(_tasks);
        vm.expectRevert(refusal);
        vm.prank(STRANGER);
        batches.tryBatchCreateAndRespondToTasks(_tasks, _responses, _signatures);
        for (uint256 i; i < ITEMS; ++i) {
            assertNotRecorded(_tasks[i]);
        }
        vm.prank(LANE);
        batches.tryBatchCreateTasks(_tasks);
        vm.expectRevert(refusal);
        vm.prank(STRANGER);
        batches.tryBatchRespondToTasks(_tasks, _responses, _signatures);
        for (uint256 i; i < ITEMS; ++i) {
            assertNotAnswered(_tasks[i]);
        }
    }

    function test_OnlyTheOwnerChangesSettings() external {
        bytes memory refusal = abi.encodeWithSelector(IOwned.Unauthorized.selector);
        vm.expectRevert(refusal);
        vm.prank(LANE);
        batches.addAuthorized(STRANGER);
        vm.expectRevert(refusal);
        vm.prank(LANE);
        batches.removeAuthorized(LANE);
        vm.expectRevert(refusal);
        vm.prank(LANE);
        batches.setItemGas(1);
        vm.expectRevert(refusal);
        vm.prank(LANE);
        batches.transferOwnership(LANE);

        vm.expectEmit(address(batches));
        emit IBatchTaskManager.AuthorizedAdded(STRANGER);
        vm.prank(OWNER);
        batches.addAuthorized(STRANGER);
        vm.expectEmit(address(batches));
        emit IBatchTaskManager.AuthorizedRemoved(STRANGER);
        vm.prank(OWNER);
        batches.removeAuthorized(STRANGER);
        vm.expectEmit(address(batches));
        emit IBatchTaskManager.ItemGasSet(600_000);
        vm.prank(OWNER);
        batches.setItemGas(600_000);
        vm.assertEq(batches.itemGas(), 600_000, "itemGas");
        vm.prank(OWNER);
        batches.transferOwnership(LANE);
        vm.assertEq(batches.owner(), LANE, "the new owner");
        vm.assertFalse(batches.isAuthorized(OWNER), "the old owner");
    }

    function test_ItemGasHasARange() external {
        uint256[3] memory absurd = [uint256(0), 1_000_000_001, type(uint256).max];
        for (uint256 i; i < absurd.length; ++i) {
            vm.expectRevert(
                abi.encodeWithSelector(IBatchTaskManager.BatchTaskManager_ItemGasOutOfRange.selector, absurd[i])
            );
            vm.prank(OWNER);
            batches.setItemGas(absurd[i]);
        }
    }

    function test_RefusesNoItems() external {
        bytes memory refusal = abi.encodeWithSelector(IBatchTaskManager.EmptyBatch.selector);
        vm.expectRevert(refusal);
        vm.prank(LANE);
        batches.tryBatchCreateTasks(new Task[](0));
        vm.expectRevert(refusal);
        vm.prank(LANE);
        batches.batchRespondToTasks(new Task[](0), new TaskResponse[](0), new bytes[](0));
        vm.expectRevert(refusal);
        vm.prank(LANE);
        batches.tryBatchCreateAndRespondToTasks(new Task[](0), new TaskResponse[](0), new bytes[](0));
    }

    function test_RefusesArraysOfDifferentLength() external {
        (Task[] memory tasks, TaskResponse[] memory responses, bytes[] memory signatures) = goodBatch(1, 2);
        bytes memory refusal = abi.encodeWithSelector(IBatchTaskManager.ArrayLengthMismatch.selector);
        vm.expectRevert(refusal);
        vm.prank(LANE);
        batches.batchRespondToTasks(tasks, new TaskResponse[](1), signatures);
        vm.expectRevert(refusal);
        vm.prank(LANE);
        batches.tryBatchRespondToTasks(tasks, responses, new bytes[](3));
        vm.expectRevert(refusal);
        vm.prank(LANE);
        batches.batchCreateAndRespondToTasks(new Task[](0), responses, signatures);
        vm.expectRevert(refusal);
        vm.prank(LANE);
        batches.tryBatchCreateAndRespondToTasks(tasks, responses, new bytes[](0));
    }

    function test_Strict_GoodItemsAreRecordedInSilence() external {
        _good(ITEMS);
        vm.recordLogs();
        vm.prank(LANE);
        batches.batchCreateTasks(_tasks);
        vm.prank(LANE);
        batches.batchRespondToTasks(_tasks, _responses, _signatures);
        vm.assertEq(emittedFailures().length, 0, "nothing failed");
        _assertAllAnswered();
    }

    function test_Strict_CreateAndRespond_GoodItemsAreRecordedInSilence() external {
        _good(ITEMS);
        vm.recordLogs();
        vm.prank(LANE);
        batches.batchCreateAndRespondToTasks(_tasks, _responses, _signatures);
        vm.assertEq(emittedFailures().length, 0, "nothing failed");
        _assertAllAnswered();
    }

    function test_Try_GoodItemsAreRecordedInSilence() external {
        _good(ITEMS);
        vm.recordLogs();
        vm.prank(LANE);
        batches.tryBatchCreateTasks(_tasks);
        vm.prank(LANE);
        batches.tryBatchRespondToTasks(_tasks, _responses, _signatures);
        vm.assertEq(emittedFailures().length, 0, "nothing failed");
        _assertAllAnswered();
    }

    function testFuzz_Strict_ListsEveryFailureAndRecordsNothing(uint8 which) external {
        bytes[] memory reasons = _poisoned(which);
        try this.sendStrict() {
            vm.assertEq(which % 32, 0, "only a batch without failures succeeds");
            _assertAllAnswered();
        } catch (bytes memory reverted) {
            _assertFailures(listedFailures(reverted), reasons);
            for (uint256 i; i < ITEMS; ++i) {
                assertNotRecorded(_tasks[i]);
            }
        }
    }

    function testFuzz_Try_CommitsTheRestAndTellsEachFailureOnce(uint8 which) external {
        bytes[] memory reasons = _poisoned(which);
        vm.recordLogs();
        vm.prank(LANE);
        batches.tryBatchCreateAndRespondToTasks(_tasks, _responses, _signatures);
        _assertFailures(emittedFailures(), reasons);
        for (uint256 i; i < ITEMS; ++i) {
            if (reasons[i].length == 0) assertAnswered(_tasks[i], _responses[i]);
            else assertNotRecorded(_tasks[i]); // both or neither
        }
    }

    function testFuzz_TryRespond_CommitsTheRest(uint8 which) external {
        bytes[] memory reasons = _poisoned(which);
        vm.prank(LANE);
        batches.tryBatchCreateTasks(_tasks);
        vm.recordLogs();
        vm.prank(LANE);
        batches.tryBatchRespondToTasks(_tasks, _responses, _signatures);
        FailedItem[] memory failures = emittedFailures();
        uint256 next;
        for (uint256 i; i < ITEMS; ++i) {
            if (reasons[i].length == 0) assertAnswered(_tasks[i], _responses[i]);
            else assertNotAnswered(_tasks[i]);
            if (reasons[i].length != 0) vm.assertEq(failures[next++].index, i, "in order");
        }
        vm.assertEq(failures.length, next, "one event each");
    }

    function test_Try_TheSameTaskTwice() external {
        _good(2);
        _tasks[1] = _tasks[0];
        _responses[1] = _responses[0];
        _signatures[1] = _signatures[0];
        vm.recordLogs();
        vm.prank(LANE);
        batches.tryBatchCreateTasks(_tasks);
        FailedItem[] memory failures = emittedFailures();
        vm.assertEq(failures.length, 1, "the second one");
        assertFailure(
            failures[0],
            1,
            _tasks[0].taskId,
            abi.encodeWithSelector(ITaskManager.TaskAlreadyExists.selector, hashOf(_tasks[0]))
        );
        vm.recordLogs();
        vm.prank(LANE);
        batches.tryBatchRespondToTasks(_tasks, _responses, _signatures);
        failures = emittedFailures();
        vm.assertEq(failures.length, 1, "the second one");
        assertFailure(
            failures[0],
            1,
            _tasks[0].taskId,
            abi.encodeWithSelector(ITaskManager.TaskAlreadyResponded.selector, hashOf(_responses[0]))
        );
        assertAnswered(_tasks[0], _responses[0]);
    }

    function test_Try_AMalformedPointCostsAboutWhatAGoodOneDoes() external {
        _good(ITEMS);
        for (uint256 i = 1; i < ITEMS; ++i) {
            _signatures[i] = bytes.concat(bytes32(type(uint256).max), new bytes(96));
        }
        uint256 gasBefore = gasleft();
        vm.prank(LANE);
        batches.tryBatchCreateAndRespondToTasks(_tasks, _responses, _signatures);
        vm.assertLe(gasBefore - gasleft(), ITEMS * 260_000, "five items, four of them malformed");
        assertAnswered(_tasks[0], _responses[0]);
        assertNotRecorded(_tasks[1]);
    }

    function sendStrict() external {
        vm.prank(LANE);
        batches.batchCreateAndRespondToTasks(_tasks, _responses, _signatures);
    }

    function _good(uint256 count) private {
        (Task[] memory tasks, TaskResponse[] memory responses, bytes[] memory signatures) = goodBatch(1, count);
        for (uint256 i; i < count; ++i) {
            _tasks.push(tasks[i]);
            _responses.push(responses[i]);
            _signatures.push(signatures[i]);
        }
    }

    /// @dev Spoils item i in the ith way if bit i is set. The reasons are what each must be refused with.
    function _poisoned(uint8 which) private returns (bytes[] memory reasons) {
        _good(ITEMS);
        reasons = new bytes[](ITEMS);
        if (which & 1 != 0) {
            _signatures[0] = bytes.concat(bytes32(uint256(1)), _signatures[0]);
            reasons[0] = abi.encodeWithSelector(ITaskManager.InvalidSignatureLength.selector, 160);
        }
        if (which & 2 != 0) {
            _signatures[1] = _signatures[0].length == 128 ? _signatures[0] : _signatures[2];
            reasons[1] = abi.encodeWithSelector(ITaskManager.InvalidBLSSignature.selector);
        }
        if (which & 4 != 0) {
            _responses[2].intentHash = 0;
            reasons[2] = abi.encodeWithSelector(ITaskManager.TaskResponseMismatch.selector);
        }
        if (which & 8 != 0) {
            _responses[3].expireBlock = 1;
            reasons[3] = abi.encodeWithSelector(ITaskManager.TaskResponseExpired.selector, uint32(1), blockNow());
        }
        if (which & 16 != 0) {
            _signatures[4] = bytes.concat(new bytes(96), bytes32(uint256(15)));
            reasons[4] = abi.encodeWithSelector(ITaskManager.InsufficientQuorumStake.selector);
        }
    }

    function _assertFailures(FailedItem[] memory failures, bytes[] memory reasons) private view {
        uint256 next;
        for (uint256 i; i < reasons.length; ++i) {
            if (reasons[i].length == 0) continue;
            assertFailure(failures[next++], i, _tasks[i].taskId, reasons[i]);
        }
        vm.assertEq(failures.length, next, "each failure once, and nothing else");
    }

    function _assertAllAnswered() private view {
        for (uint256 i; i < _tasks.length; ++i) {
            assertAnswered(_tasks[i], _responses[i]);
        }
    }
}
