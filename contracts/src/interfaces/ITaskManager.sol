// SPDX-License-Identifier: Apache-2.0
pragma solidity 0.8.37;

import {Attestation, Task, TaskResponse} from "../types/TaskTypes.sol";
import {IOperatorRegistry} from "./IOperatorRegistry.sol";
import {IOwned} from "./IOwned.sol";
import {IQuorumErrors} from "./IQuorumErrors.sol";

/// @title The record of tasks and of what the operators answered
/// @notice A task id is used once, a task is answered once, and an answer needs the signatures of a quorum.
/// Only task generators of the registry may write. Both hashes stay readable for good.
interface ITaskManager is IOwned, IQuorumErrors {
    event NewTaskCreated(bytes32 indexed taskId, bytes32 taskHash, address indexed policyClient);
    event TaskResponded(bytes32 indexed taskId, bytes32 responseHash);
    event TaskCreationBufferWindowSet(uint32 blocks);
    event TaskResponseWindowBlockSet(uint32 blocks);

    /// @notice Thrown when the caller is no task generator of the registry.
    error OnlyTaskGenerator();

    /// @notice Thrown when the task id is zero.
    error InvalidTaskId();

    /// @notice Thrown when this task id is taken; tells by which task.
    error TaskAlreadyExists(bytes32 existingTaskHash);

    /// @notice Thrown when the intent's from or to is the zero address.
    error InvalidIntent();

    /// @notice Thrown when the quorum numbers are not exactly 0x00. Shows at most 32 bytes of them.
    error InvalidQuorumNumbers(bytes quorumNumbers);

    /// @notice Thrown when the threshold is not between 1 and 100.
    error InvalidQuorumThreshold(uint32 percentage);

    /// @notice Thrown when the reference block is zero.
    error InvalidTaskCreatedBlock();

    /// @notice Thrown when the reference block has not ended yet.
    error TaskCreatedBlockInFuture();

    /// @notice Thrown when the reference block is more than `taskCreationBufferWindow` blocks ago.
    error TaskCreatedBlockTooOld();

    /// @notice Thrown when the policy client is the zero address.
    error InvalidPolicyClient();

    /// @notice Thrown when the policy client has code that does not answer as an IPolicyClient.
    error InterfaceNotSupported();

    /// @notice Thrown when this task has an answer; tells which.
    error TaskAlreadyResponded(bytes32 existingResponseHash);

    /// @notice Thrown when the task given is not the one on record (zero: there is none).
    error TaskMismatch(bytes32 recorded, bytes32 given);

    /// @notice Thrown when the response names another task id, client or intent than the task.
    error TaskResponseMismatch();

    /// @notice Thrown from block `taskCreatedBlock + window` on.
    error TaskResponseTooLate(uint32 taskCreatedBlock, uint32 window, uint32 blockNumber);

    /// @notice Thrown after block `expireBlock`.
    error TaskResponseExpired(uint32 expireBlock, uint32 blockNumber);

    /// @notice Thrown when the response was evaluated under another policy than the client's.
    error PolicyMismatch(bytes32 expected, bytes32 actual);

    /// @notice Thrown when the signature data is not 128 bytes.
    error InvalidSignatureLength(uint256 length);

    /// @notice Thrown when the signers hold too small a share of the stake.
    error InsufficientQuorumStake();

    /// @notice Thrown when the signature is not that of the claimed signers over `attestationDigest`.
    error InvalidBLSSignature();

    /// @notice Thrown when a window would be zero.
    error TaskManager_ZeroWindow();

    /// @notice Records a task. Its id must be new. Task generators only.
    function createNewTask(Task calldata task) external;

    /// @notice Records the answer to a recorded task. Task generators only.
    /// @param signatureData 128 bytes: the aggregate signature (96), then the bitmap of those who did not sign (32).
    function respondToTask(Task calldata task, TaskResponse calldata response, bytes calldata signatureData)
        external;

    /// @notice Both at once: the task and its answer are recorded together or not at all. Task generators only.
    function createAndRespondToTask(
        Task calldata task,
        TaskResponse calldata response,
        bytes calldata signatureData
    ) external;

    /// @notice Checks many signatures together, which costs about a third of one by one, and remembers until the
    /// transaction ends which of them hold. Answers that come with them are then recorded without another check. Anyone
    /// may ask. Says nothing of those that do not hold: they are refused where they are used.
    function proveTogether(Attestation[] calldata attestations) external;

    /// @notice How many blocks ago the reference block of a new task may be. The owner only.
    function setTaskCreationBufferWindow(uint32 blocks) external;

    /// @notice How many blocks after its reference block a task can be answered. The owner only.
    function setTaskResponseWindowBlock(uint32 blocks) external;

    /// @notice The hash of the task with this id, or zero.
    function allTaskHashes(bytes32 taskId) external view returns (bytes32);

    /// @notice The hash of the answer to this task, or zero.
    function allTaskResponses(bytes32 taskId) external view returns (bytes32);

    function taskCreationBufferWindow() external view returns (uint32);

    function taskResponseWindowBlock() external view returns (uint32);

    function registry() external view returns (IOperatorRegistry);

    /// @notice What operators sign: it binds the chain, this contract, the whole task and the whole response.
    function attestationDigest(Task calldata task, TaskResponse calldata response) external view returns (bytes32);
}
