// SPDX-License-Identifier: Apache-2.0
pragma solidity 0.8.37;

import {Owned} from "./base/Owned.sol";
import {IBatchTaskManager} from "./interfaces/IBatchTaskManager.sol";
import {ITaskManager} from "./interfaces/ITaskManager.sol";
import {EncodedAnswer} from "./libraries/EncodedAnswer.sol";
import {Attestation, FailedItem, Task, TaskResponse} from "./types/TaskTypes.sol";

/// @title Many tasks in one transaction
/// @dev The words are in IBatchTaskManager.
contract BatchTaskManager is IBatchTaskManager, Owned {
    /// @dev One batch on its way.
    struct Run {
        bool strict;
        bool starved;
        uint256 itemGas;
        uint256 items;
        uint256 failed;
        FailedItem[] failures; // strict only, and only once something failed
    }

    /// @dev Enough to record one failed item whose reason has `REASON_MAX` bytes.
    uint256 private constant GAS_TO_RECORD = 10_000;
    /// @dev Enough for what happens between two items and at the end.
    uint256 private constant GAS_TO_FINISH = 20_000;
    uint256 private constant REASON_MAX = 512;
    /// @dev Enough to check all signatures together where the signers are the same and all hold. With less it is not
    /// begun.
    uint256 private constant GAS_TO_PROVE = 150_000;
    uint256 private constant GAS_TO_PROVE_EACH = 50_000;
    /// @dev What that may use where there is more: several sets of signers, and finding those that do not hold. Not more
    /// than checking each alone costs.
    uint256 private constant GAS_TO_PROVE_MAX = 250_000;
    uint256 private constant GAS_TO_PROVE_EACH_MAX = 116_000;
    /// @dev More than a call costs beside what it is given, to an address that is cold.
    uint256 private constant GAS_TO_ASK = 5_000;
    uint256 private constant ITEM_GAS_MAX = 1_000_000_000;

    /// @inheritdoc IBatchTaskManager
    ITaskManager public immutable taskManager;
    /// @inheritdoc IBatchTaskManager
    uint256 public itemGas = 450_000;

    mapping(address account => bool) private _authorized;

    modifier onlyAuthorized() {
        if (!isAuthorized(msg.sender)) revert Unauthorized();
        _;
    }

    constructor(ITaskManager taskManager_, address owner_) Owned(owner_) {
        taskManager = taskManager_;
    }

    /// @inheritdoc IBatchTaskManager
    function batchCreateTasks(Task[] calldata tasks) external onlyAuthorized {
        _createAll(tasks, true);
    }

    /// @inheritdoc IBatchTaskManager
    function tryBatchCreateTasks(Task[] calldata tasks) external onlyAuthorized {
        _createAll(tasks, false);
    }

    /// @inheritdoc IBatchTaskManager
    function batchRespondToTasks(
        Task[] calldata tasks,
        TaskResponse[] calldata responses,
        bytes[] calldata signatureDatas
    ) external onlyAuthorized {
        _answerAll(ITaskManager.respondToTask.selector, tasks, responses, signatureDatas, true);
    }

    /// @inheritdoc IBatchTaskManager
    function tryBatchRespondToTasks(
        Task[] calldata tasks,
        TaskResponse[] calldata responses,
        bytes[] calldata signatureDatas
    ) external onlyAuthorized {
        _answerAll(ITaskManager.respondToTask.selector, tasks, responses, signatureDatas, false);
    }

    /// @inheritdoc IBatchTaskManager
    function batchCreateAndRespondToTasks(
        Task[] calldata tasks,
        TaskResponse[] calldata responses,
        bytes[] calldata signatureDatas
    ) external onlyAuthorized {
        _answerAll(ITaskManager.createAndRespondToTask.selector, tasks, responses, signatureDatas, true);
    }

    /// @inheritdoc IBatchTaskManager
    function tryBatchCreateAndRespondToTasks(
        Task[] calldata tasks,
        TaskResponse[] calldata responses,
        bytes[] calldata signatureDatas
    ) external onlyAuthorized {
        _answerAll(ITaskManager.createAndRespondToTask.selector, tasks, responses, signatureDatas, false);
    }

    /// @inheritdoc IBatchTaskManager
    function addAuthorized(address account) external onlyOwner {
        _authorized[account] = true;
        emit AuthorizedAdded(account);
    }

    /// @inheritdoc IBatchTaskManager
    function removeAuthorized(address account) external onlyOwner {
        delete _authorized[account];
        emit AuthorizedRemoved(account);
    }

    /// @inheritdoc IBatchTaskManager
    function isAuthorized(address account) public view returns (bool) {
        return account == owner || _authorized[account];
    }

    /// @inheritdoc IBatchTaskManager
    function setItemGas(uint256 gasPerItem) external onlyOwner {
        if (gasPerItem == 0 || gasPerItem > ITEM_GAS_MAX) revert BatchTaskManager_ItemGasOutOfRange(gasPerItem);
        itemGas = gasPerItem;
        emit ItemGasSet(gasPerItem);
    }

    function _createAll(Task[] calldata tasks, bool strict) private {
        Run memory run = _start(tasks.length, strict);
        for (uint256 i; i < run.items; ++i) {
            bytes memory call = run.starved ? bytes("") : abi.encodeCall(ITaskManager.createNewTask, (tasks[i]));
            _tryItem(run, i, tasks[i].taskId, call);
        }
        _finish(run);
    }

    /// @dev By `answer`, one of the two functions of ITaskManager that take a task, a response and signature data.
    function _answerAll(
        bytes4 answer,
        Task[] calldata tasks,
        TaskResponse[] calldata responses,
        bytes[] calldata signatureDatas,
        bool strict
    ) private {
        if (tasks.length != responses.length || tasks.length != signatureDatas.length) revert ArrayLengthMismatch();
        Run memory run = _start(tasks.length, strict);
        bytes[] memory calls = new bytes[](run.items);
        bool together =
            run.items > 1 && gasleft() >= GAS_TO_PROVE + GAS_TO_PROVE_EACH * run.items + _gasKeptFromProof(run);
        if (together) {
            for (uint256 i; i < run.items; ++i) {
                calls[i] = abi.encodeWithSelector(answer, tasks[i], responses[i], signatureDatas[i]);
            }
            _proveTogether(run, calls, tasks, signatureDatas);
        }
        for (uint256 i; i < run.items; ++i) {
            if (!together && !run.starved) {
                calls[i] = abi.encodeWithSelector(answer, tasks[i], responses[i], signatureDatas[i]);
            }
            _tryItem(run, i, tasks[i].taskId, calls[i]);
        }
        _finish(run);
    }

    /// @dev Saves each item most of its signature's check. Where it does not work each is checked by itself.
    function _proveTogether(
        Run memory run,
        bytes[] memory calls,
        Task[] calldata tasks,
        bytes[] calldata signatureDatas
    ) private {
        Attestation[] memory attestations = new Attestation[](calls.length);
        for (uint256 i; i < calls.length; ++i) {
            Attestation memory one = attestations[i];
            one.taskCreatedBlock = tasks[i].taskCreatedBlock;
            (one.taskHash, one.responseHash) = EncodedAnswer.hashes(calls[i]);
            one.signatureData = signatureDatas[i];
        }
        address target = address(taskManager);
        bytes memory question = abi.encodeCall(ITaskManager.proveTogether, (attestations));
        uint256 bound = GAS_TO_PROVE_MAX + GAS_TO_PROVE_EACH_MAX * calls.length;
        uint256 kept = _gasNeeded(run, 0) + GAS_TO_ASK;
        uint256 left = gasleft();
        if (left < kept) return;
        if (left - kept < bound) bound = left - kept;
        assembly ("memory-safe") {
            pop(call(bound, target, 0, add(question, 32), mload(question), 0, 0))
        }
    }

    /// @dev Whatever the check of all uses, so much stays: to put its question, and to try an item and record the others.
    function _gasKeptFromProof(Run memory run) private pure returns (uint256) {
        return _gasNeeded(run, 0) + GAS_TO_ASK + 4 * msg.data.length;
    }

    function _start(uint256 items, bool strict) private view returns (Run memory run) {
        if (items == 0) revert EmptyBatch();
        run.items = items;
        run.itemGas = itemGas;
        run.strict = strict;
    }

    function _tryItem(Run memory run, uint256 index, bytes32 taskId, bytes memory call) private {
        uint256 gasBefore = gasleft();
        if (run.starved || gasBefore < _gasNeeded(run, index)) {
            run.starved = true;
            _fail(
                run,
                index,
                taskId,
                abi.encodeWithSelector(InsufficientGasForItem.selector, index, taskId, gasBefore)
            );
            return;
        }
        (bool ok, bytes memory reason) = address(taskManager).call{gas: run.itemGas}(call);
        if (ok) return;
        // Each frame on the way down kept at most 1/64 back, and there are no more than three of them.
        if (reason.length == 0 && gasBefore - gasleft() >= run.itemGas - run.itemGas / 16) {
            reason = abi.encodeWithSelector(ItemLikelyOutOfGas.selector, index, taskId, run.itemGas);
        }
        _fail(run, index, taskId, reason);
    }

    /// @dev The EVM passes on at most 63/64 of what is left. Without this check an item could be starved and have it
    /// recorded as its own failure, or the items before it could be undone because the gas for the rest ran out.
    function _gasNeeded(Run memory run, uint256 index) private pure returns (uint256) {
        // Half a gas per byte of calldata is more than what encoding the next item can cost, however large it is.
        uint256 toFinish = GAS_TO_FINISH + msg.data.length / 2 + GAS_TO_RECORD * (run.items - index);
        return run.itemGas + run.itemGas / 63 + toFinish;
    }

    function _fail(Run memory run, uint256 index, bytes32 taskId, bytes memory reason) private {
        if (reason.length > REASON_MAX) {
            assembly ("memory-safe") {
                mstore(reason, REASON_MAX)
            }
        }
        if (!run.strict) {
            emit BatchItemFailed(index, taskId, reason);
            return;
        }
        if (run.failed == 0) run.failures = new FailedItem[](run.items);
        run.failures[run.failed++] = FailedItem({index: index, taskId: taskId, reason: reason});
    }

    function _finish(Run memory run) private pure {
        if (!run.strict || run.failed == 0) return;
        FailedItem[] memory failures = run.failures;
        uint256 failed = run.failed;
        assembly ("memory-safe") {
            mstore(failures, failed)
        }
        revert BatchPartialFailure(failures);
    }
}
