// SPDX-License-Identifier: Apache-2.0
pragma solidity 0.8.37;

import {IBatchTaskManager} from "../src/interfaces/IBatchTaskManager.sol";
import {ITaskManager} from "../src/interfaces/ITaskManager.sol";
import {FailedItem, Task, TaskResponse} from "../src/types/TaskTypes.sol";
import {BatchTest} from "./base/BatchTest.sol";
import {vm} from "./base/Vm.sol";
import {GasEater} from "./mocks/PolicyClients.sol";
import {Shouting} from "./mocks/Shouting.sol";

/// @notice What happens when gas runs low: the last two branches of BatchTaskManager.tree.
contract BatchTaskManagerGasTest is BatchTest {
    uint256 private constant ITEMS = 6;

    /// @dev Below this, the transaction can run out before anything was tried; then it reverts as a whole.
    uint256 private constant ENOUGH_TO_RECORD_ALL = 150_000;

    uint256 private constant AMPLE_ITEM_GAS = 450_000;

    /// @dev The least itemGas with which a good item lands, give or take 64, when all is warm.
    uint256 private _leastItemGas;

    function setUp() public override {
        super.setUp();
        uint256 tooLittle = 100_000;
        uint256 enough = AMPLE_ITEM_GAS;
        for (uint256 number = 10_000; enough - tooLittle > 64; ++number) {
            uint256 middle = (tooLittle + enough) / 2;
            if (_sendOne(number, middle, 1_000_000)) enough = middle;
            else tooLittle = middle;
        }
        _leastItemGas = enough + 64;
        vm.prank(OWNER);
        batches.setItemGas(AMPLE_ITEM_GAS);
    }

    function testFuzz_Try_WhenGasRunsLow_NoItemIsBlamed(uint256 gasGiven) external {
        gasGiven = ENOUGH_TO_RECORD_ALL + gasGiven % 2_000_000;
        (Task[] memory tasks, TaskResponse[] memory responses, bytes[] memory signatures) = goodBatch(1, ITEMS);
        vm.recordLogs();
        vm.prank(LANE);
        batches.tryBatchCreateAndRespondToTasks{gas: gasGiven}(tasks, responses, signatures);
        FailedItem[] memory failures = emittedFailures();
        uint256 landed = ITEMS - failures.length;
        for (uint256 i; i < ITEMS; ++i) {
            if (i < landed) {
                assertAnswered(tasks[i], responses[i]);
            } else {
                assertNotRecorded(tasks[i]);
                _assertStarved(failures[i - landed], i, tasks[i].taskId);
            }
        }
    }

    function testFuzz_TryCreate_WhenGasRunsLow_NoItemIsBlamed(uint256 gasGiven) external {
        gasGiven = ENOUGH_TO_RECORD_ALL + gasGiven % 1_000_000;
        (Task[] memory tasks,,) = goodBatch(1, ITEMS);
        vm.recordLogs();
        vm.prank(LANE);
        batches.tryBatchCreateTasks{gas: gasGiven}(tasks);
        FailedItem[] memory failures = emittedFailures();
        uint256 landed = ITEMS - failures.length;
        for (uint256 i; i < ITEMS; ++i) {
            if (i < landed) assertRecorded(tasks[i]);
            else _assertStarved(failures[i - landed], i, tasks[i].taskId);
        }
    }

    function testFuzz_Strict_WhenGasRunsLow_ItSaysSo(uint256 gasGiven) external {
        gasGiven = ENOUGH_TO_RECORD_ALL + gasGiven % 2_000_000;
        (Task[] memory tasks, TaskResponse[] memory responses, bytes[] memory signatures) = goodBatch(1, ITEMS);
        vm.prank(LANE);
        try batches.batchCreateAndRespondToTasks{gas: gasGiven}(tasks, responses, signatures) {
            assertAnswered(tasks[ITEMS - 1], responses[ITEMS - 1]);
        } catch (bytes memory reverted) {
            FailedItem[] memory failures = listedFailures(reverted);
            for (uint256 i; i < failures.length; ++i) {
                uint256 index = ITEMS - failures.length + i;
                _assertStarved(failures[i], index, tasks[index].taskId);
            }
            assertNotRecorded(tasks[0]);
        }
    }

    function testFuzz_RecordingNeverRunsOut_HoweverLongTheReasons(uint256 gasGiven, uint256 bodyLength) external {
        batches = newBatchTaskManager(ITaskManager(address(new Shouting())), LANE);
        (Task[] memory tasks, TaskResponse[] memory responses, bytes[] memory signatures) = goodBatch(1, ITEMS);
        for (uint256 i; i < ITEMS; ++i) {
            tasks[i].intent.data = new bytes(bodyLength % 12_000);
        }
        gasGiven = ENOUGH_TO_RECORD_ALL + 200_000 + gasGiven % 1_000_000;
        vm.recordLogs();
        vm.prank(LANE);
        batches.tryBatchCreateAndRespondToTasks{gas: gasGiven}(tasks, responses, signatures);
        FailedItem[] memory failures = emittedFailures();
        vm.assertEq(failures.length, ITEMS, "each is told");
        bool starved;
        for (uint256 i; i < ITEMS; ++i) {
            bytes4 why = bytes4(failures[i].reason);
            if (why == IBatchTaskManager.InsufficientGasForItem.selector) starved = true;
            else vm.assertFalse(starved, "once gas is short it stays short");
            vm.assertEq(failures[i].reason.length, starved ? 100 : 512, "a long reason is cut");
        }
    }

    function testFuzz_RecordingNeverRunsOut_WhenItemsUseAllTheyGet(uint256 gasGiven) external {
        batches = newBatchTaskManager(ITaskManager(address(new GasEater())), LANE);
        (Task[] memory tasks,,) = goodBatch(1, ITEMS);
        gasGiven = ENOUGH_TO_RECORD_ALL + gasGiven % 3_500_000;
        vm.recordLogs();
        vm.prank(LANE);
        batches.tryBatchCreateTasks{gas: gasGiven}(tasks);
        FailedItem[] memory failures = emittedFailures();
        vm.assertEq(failures.length, ITEMS, "each is told");
        uint256 tried;
        while (tried < ITEMS && bytes4(failures[tried].reason) == IBatchTaskManager.ItemLikelyOutOfGas.selector) {
            ++tried;
        }
        for (uint256 i = tried; i < ITEMS; ++i) {
            _assertStarved(failures[i], i, tasks[i].taskId);
        }
    }

    /// @dev With no room between what an item needs and what it may use, being given a little less would show.
    function testFuzz_WhenItemGasIsTight_ItIsGivenWholeOrNotAtAll(uint256 gasGiven) external {
        vm.assertTrue(_sendOne(1, AMPLE_ITEM_GAS, 1_000_000), "the first one, which meets everything cold");
        vm.assertTrue(_sendOne(2, _leastItemGas, 1_000_000), "with ample gas, tight itemGas is enough");
        gasGiven = _leastItemGas + gasGiven % 60_000;
        bool landed = _sendOne(3, _leastItemGas, gasGiven);
        if (!landed) vm.assertLe(gasGiven, _leastItemGas + 55_000, "it is tried as soon as there is enough");
    }

    function testFuzz_WhenItemGasIsTooSmall_NoItemIsBlamed(uint256 itemGas) external {
        itemGas = 1 + itemGas % 320_000;
        vm.prank(OWNER);
        batches.setItemGas(itemGas);
        (Task[] memory tasks, TaskResponse[] memory responses, bytes[] memory signatures) = goodBatch(1, 2);
        vm.recordLogs();
        vm.prank(LANE);
        batches.tryBatchCreateAndRespondToTasks(tasks, responses, signatures);
        FailedItem[] memory failures = emittedFailures();
        uint256 next;
        for (uint256 i; i < 2; ++i) {
            if (taskManager.allTaskResponses(tasks[i].taskId) != 0) continue;
            assertNotRecorded(tasks[i]);
            assertFailure(
                failures[next++],
                i,
                tasks[i].taskId,
                abi.encodeWithSelector(IBatchTaskManager.ItemLikelyOutOfGas.selector, i, tasks[i].taskId, itemGas)
            );
        }
        vm.assertEq(failures.length, next, "who landed is not told about");
    }

    /// @dev Sends one good item. If gas was short for it, it must have been told so.
    function _sendOne(uint256 number, uint256 itemGas, uint256 gasGiven) private returns (bool landed) {
        (Task[] memory tasks, TaskResponse[] memory responses, bytes[] memory signatures) = goodBatch(number, 1);
        vm.prank(OWNER);
        batches.setItemGas(itemGas);
        vm.recordLogs();
        vm.prank(LANE);
        batches.tryBatchCreateAndRespondToTasks{gas: gasGiven}(tasks, responses, signatures);
        FailedItem[] memory failures = emittedFailures();
        if (failures.length == 0) {
            assertAnswered(tasks[0], responses[0]);
            return true;
        }
        assertNotRecorded(tasks[0]);
        if (_leastItemGas != 0) _assertStarved(failures[0], 0, tasks[0].taskId);
    }

    function _assertStarved(FailedItem memory failure, uint256 index, bytes32 taskId) private view {
        vm.assertEq(failure.index, index, "which item");
        vm.assertEq(failure.taskId, taskId, "which task");
        vm.assertEq(failure.reason.length, 100, "a selector and three words");
        (bytes4 selector, uint256 toldIndex, bytes32 toldId, uint256 gasLeft) = this.decodeStarved(failure.reason);
        vm.assertEq(
            bytes32(selector), bytes32(IBatchTaskManager.InsufficientGasForItem.selector), "only gas was missing"
        );
        vm.assertEq(toldIndex, index, "which item, in the reason");
        vm.assertEq(toldId, taskId, "which task, in the reason");
        vm.assertLe(gasLeft, 700_000, "there was too little");
    }

    function decodeStarved(bytes calldata reason) external pure returns (bytes4, uint256, bytes32, uint256) {
        (uint256 index, bytes32 taskId, uint256 gasLeft) = abi.decode(reason[4:], (uint256, bytes32, uint256));
        return (bytes4(reason[:4]), index, taskId, gasLeft);
    }
}
