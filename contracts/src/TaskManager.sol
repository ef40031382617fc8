// SPDX-License-Identifier: Apache-2.0
pragma solidity 0.8.37;

import {Attestations} from "./base/Attestations.sol";
import {Owned} from "./base/Owned.sol";
import {IERC165} from "./interfaces/IERC165.sol";
import {IOperatorRegistry} from "./interfaces/IOperatorRegistry.sol";
import {IPolicyClient} from "./interfaces/IPolicyClient.sol";
import {ITaskManager} from "./interfaces/ITaskManager.sol";
import {GasFloor} from "./libraries/GasFloor.sol";
import {Task, TaskResponse} from "./types/TaskTypes.sol";

/// @title The record of tasks and of what the operators answered
/// @dev The words are in ITaskManager.
contract TaskManager is Attestations, Owned {
    /// @dev What ERC-165 allows for an answer. A client can waste this much of an item's gas and no more.
    uint256 private constant POLICY_CLIENT_GAS = 30_000;

    /// @inheritdoc ITaskManager
    uint32 public taskCreationBufferWindow = 64;
    /// @inheritdoc ITaskManager
    uint32 public taskResponseWindowBlock = 128;

    /// @inheritdoc ITaskManager
    mapping(bytes32 taskId => bytes32 taskHash) public allTaskHashes;
    /// @inheritdoc ITaskManager
    mapping(bytes32 taskId => bytes32 responseHash) public allTaskResponses;

    modifier onlyTaskGenerator() {
        if (!registry.isTaskGenerator(msg.sender)) revert OnlyTaskGenerator();
        _;
    }

    constructor(IOperatorRegistry registry_, address owner_) Attestations(registry_) Owned(owner_) {}

    /// @inheritdoc ITaskManager
    function createNewTask(Task calldata task) external onlyTaskGenerator {
        _create(task);
    }

    /// @inheritdoc ITaskManager
    function respondToTask(Task calldata task, TaskResponse calldata response, bytes calldata signatureData)
        external
        onlyTaskGenerator
    {
        bytes32 existing = allTaskResponses[task.taskId];
        if (existing != 0) revert TaskAlreadyResponded(existing);
        bytes32 taskHash = keccak256(abi.encode(task));
        bytes32 recorded = allTaskHashes[task.taskId];
        if (recorded != taskHash) revert TaskMismatch(recorded, taskHash);
        _respond(task, taskHash, response, signatureData);
    }

    /// @inheritdoc ITaskManager
    function createAndRespondToTask(
        Task calldata task,
        TaskResponse calldata response,
        bytes calldata signatureData
    ) external onlyTaskGenerator {
        // A task that is new has no answer, so that what respondToTask looks up first need not be looked up here.
        _respond(task, _create(task), response, signatureData);
    }

    /// @inheritdoc ITaskManager
    function setTaskCreationBufferWindow(uint32 blocks) external onlyOwner {
        if (blocks == 0) revert TaskManager_ZeroWindow();
        taskCreationBufferWindow = blocks;
        emit TaskCreationBufferWindowSet(blocks);
    }

    /// @inheritdoc ITaskManager
    function setTaskResponseWindowBlock(uint32 blocks) external onlyOwner {
        if (blocks == 0) revert TaskManager_ZeroWindow();
        taskResponseWindowBlock = blocks;
        emit TaskResponseWindowBlockSet(blocks);
    }

    /// @inheritdoc ITaskManager
    function attestationDigest(Task calldata task, TaskResponse calldata response)
        external
        view
        returns (bytes32)
    {
        return _attestationDigest(keccak256(abi.encode(task)), keccak256(abi.encode(response)));
    }

    function _create(Task calldata task) private returns (bytes32 taskHash) {
        if (task.taskId == 0) revert InvalidTaskId();
        bytes32 existing = allTaskHashes[task.taskId];
        if (existing != 0) revert TaskAlreadyExists(existing);
        if (task.intent.from == address(0) || task.intent.to == address(0)) revert InvalidIntent();
        bytes calldata quorumNumbers = task.quorumNumbers;
        if (quorumNumbers.length != 1 || quorumNumbers[0] != 0) {
            // Shortened, because whoever records this reason pays for its length.
            revert InvalidQuorumNumbers(quorumNumbers.length > 32 ? quorumNumbers[:32] : quorumNumbers);
        }
        uint32 percentage = task.quorumThresholdPercentage;
        if (percentage == 0 || percentage > 100) revert InvalidQuorumThreshold(percentage);
        uint32 createdBlock = task.taskCreatedBlock;
        if (createdBlock == 0) revert InvalidTaskCreatedBlock();
        if (createdBlock >= block.number) revert TaskCreatedBlockInFuture();
        if (block.number - createdBlock > taskCreationBufferWindow) revert TaskCreatedBlockTooOld();
        _checkPolicyClient(task.policyClient);

        taskHash = keccak256(abi.encode(task));
        allTaskHashes[task.taskId] = taskHash;
        emit NewTaskCreated(task.taskId, taskHash, task.policyClient);
    }

    function _respond(
        Task calldata task,
        bytes32 taskHash,
        TaskResponse calldata response,
        bytes calldata signatureData
    ) private {
        if (
            response.taskId != task.taskId || response.policyClient != task.policyClient
                || response.intentHash != keccak256(abi.encode(task.intent))
        ) revert TaskResponseMismatch();
        uint32 window = taskResponseWindowBlock;
        if (block.number >= uint256(task.taskCreatedBlock) + window) {
            revert TaskResponseTooLate(task.taskCreatedBlock, window, uint32(block.number));
        }
        if (response.expireBlock < block.number) {
            revert TaskResponseExpired(response.expireBlock, uint32(block.number));
        }
        _checkPolicy(task.policyClient, response.policyId);

        bytes32 responseHash = keccak256(abi.encode(response));
        _checkSignature(
            task.taskCreatedBlock,
            task.quorumThresholdPercentage,
            _attestationDigest(taskHash, responseHash),
            signatureData
        );
        allTaskResponses[task.taskId] = responseHash;
        emit TaskResponded(task.taskId, responseHash);
    }

    /// @dev An address without code cannot be asked, and is taken as it is.
    function _checkPolicyClient(address client) private view {
        if (client == address(0)) revert InvalidPolicyClient();
        if (client.code.length == 0) return;
        // The second question catches a fallback that says yes to everything.
        if (
            _ask(client, abi.encodeCall(IERC165.supportsInterface, (type(IPolicyClient).interfaceId))) != 1
                || _ask(client, abi.encodeCall(IERC165.supportsInterface, (0xffffffff))) != 0
        ) revert InterfaceNotSupported();
    }

    function _checkPolicy(address client, bytes32 policyId) private view {
        if (client.code.length == 0) return;
        bytes32 expected = bytes32(_ask(client, abi.encodeCall(IPolicyClient.policyId, ())));
        if (policyId != expected) revert PolicyMismatch(expected, policyId);
    }

    /// @dev The one word that a client answers. Only that word is copied, whatever else it returns.
    function _ask(address client, bytes memory question) private view returns (uint256 answer) {
        bool answered;
        uint256 gasBefore = gasleft();
        assembly ("memory-safe") {
            answered := staticcall(POLICY_CLIENT_GAS, client, add(question, 32), mload(question), 0, 32)
            answered := and(answered, gt(returndatasize(), 31))
            answer := mload(0)
        }
        if (!answered) {
            GasFloor.requireBoundWasGiven(gasBefore, POLICY_CLIENT_GAS);
            revert InterfaceNotSupported();
        }
    }
}
