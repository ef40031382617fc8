// SPDX-License-Identifier: Apache-2.0
pragma solidity 0.8.37;

import {IBatchTaskManager} from "../src/interfaces/IBatchTaskManager.sol";
import {IOwned} from "../src/interfaces/IOwned.sol";
import {IQuorumErrors} from "../src/interfaces/IQuorumErrors.sol";
import {ITaskManager} from "../src/interfaces/ITaskManager.sol";
import {vm} from "./base/Vm.sol";

contract SelectorsTest {
    string private constant INTENT = "(address,address,uint256,bytes,uint256,bytes)";
    string private constant RESPONSE = "(bytes32,address,bytes32,bytes32,bytes,uint32)";

    function test_ErrorsKeepTheirSelectors() external pure {
        _assertSelector(ITaskManager.TaskAlreadyExists.selector, 0x2e98c533);
        _assertSelector(ITaskManager.TaskAlreadyResponded.selector, 0x68905dff);
        _assertSelector(ITaskManager.TaskMismatch.selector, 0x7377ed8f);
        _assertSelector(ITaskManager.TaskResponseMismatch.selector, 0xeb2329fc);
        _assertSelector(ITaskManager.TaskResponseTooLate.selector, 0xef58cb64);
        _assertSelector(ITaskManager.InvalidTaskCreatedBlock.selector, 0xb97635bc);
        _assertSelector(ITaskManager.TaskCreatedBlockInFuture.selector, 0x499118a5);
        _assertSelector(ITaskManager.TaskCreatedBlockTooOld.selector, 0xeb790a32);
        _assertSelector(ITaskManager.OnlyTaskGenerator.selector, 0x98098840);
        _assertSelector(ITaskManager.InsufficientQuorumStake.selector, 0xec9758ff);
        _assertSelector(ITaskManager.InvalidBLSSignature.selector, 0xab1b236b);
        _assertSelector(ITaskManager.InvalidIntent.selector, 0x7db5cbbe);
        _assertSelector(ITaskManager.InvalidTaskId.selector, 0xfea707d9);
        _assertSelector(ITaskManager.InterfaceNotSupported.selector, 0x2c7ca6d7);
        _assertSelector(IQuorumErrors.InvalidReferenceBlocknumber.selector, 0x4b874f45);
        _assertSelector(IBatchTaskManager.BatchPartialFailure.selector, 0x19ed9977);
        _assertSelector(IBatchTaskManager.InsufficientGasForItem.selector, 0x06dfb451);
        _assertSelector(IBatchTaskManager.ItemLikelyOutOfGas.selector, 0xb52cd890);
        _assertSelector(IBatchTaskManager.ArrayLengthMismatch.selector, 0xa24a13a6);
        _assertSelector(IBatchTaskManager.EmptyBatch.selector, 0xc2e5347d);
        _assertSelector(IOwned.Unauthorized.selector, 0x82b42900);
    }

    function test_FunctionsKeepTheirSelectors() external pure {
        string memory task =
            string.concat("(bytes32,address,uint32,uint32,", INTENT, ",bytes,bytes,bytes,uint256)");
        string memory three = string.concat(task, ",", RESPONSE, ",bytes)");
        string memory arrays = string.concat(task, "[],", RESPONSE, "[],bytes[])");
        _assertSelector(ITaskManager.allTaskHashes.selector, 0xe1352edb);
        _assertSelector(ITaskManager.allTaskResponses.selector, 0x38fac745);
        _assertSelector(ITaskManager.createNewTask.selector, 0x62b2a164);
        _assertSelector(IBatchTaskManager.batchCreateTasks.selector, 0x0af5c5bd);
        _assertSignature(ITaskManager.createNewTask.selector, string.concat("createNewTask(", task, ")"));
        _assertSignature(ITaskManager.respondToTask.selector, string.concat("respondToTask(", three));
        _assertSignature(
            IBatchTaskManager.tryBatchCreateTasks.selector, string.concat("tryBatchCreateTasks(", task, "[])")
        );
        _assertSignature(
            IBatchTaskManager.batchRespondToTasks.selector, string.concat("batchRespondToTasks(", arrays)
        );
        _assertSignature(
            IBatchTaskManager.tryBatchRespondToTasks.selector, string.concat("tryBatchRespondToTasks(", arrays)
        );
        _assertSignature(
            IBatchTaskManager.batchCreateAndRespondToTasks.selector,
            string.concat("batchCreateAndRespondToTasks(", arrays)
        );
        _assertSignature(
            IBatchTaskManager.tryBatchCreateAndRespondToTasks.selector,
            string.concat("tryBatchCreateAndRespondToTasks(", arrays)
        );
    }

    function test_EventsKeepTheirTopics() external pure {
        vm.assertEq(
            ITaskManager.NewTaskCreated.selector, keccak256("NewTaskCreated(bytes32,bytes32,address)"), "created"
        );
        vm.assertEq(ITaskManager.TaskResponded.selector, keccak256("TaskResponded(bytes32,bytes32)"), "responded");
        vm.assertEq(
            IBatchTaskManager.BatchItemFailed.selector,
            keccak256("BatchItemFailed(uint256,bytes32,bytes)"),
            "failed"
        );
    }

    function _assertSignature(bytes4 selector, string memory signature) private pure {
        vm.assertEq(bytes32(selector), bytes32(bytes4(keccak256(bytes(signature)))), signature);
    }

    function _assertSelector(bytes4 selector, bytes4 known) private pure {
        vm.assertEq(bytes32(selector), bytes32(known), "a selector that others know");
    }
}
