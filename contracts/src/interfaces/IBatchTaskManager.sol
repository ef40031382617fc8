// SPDX-License-Identifier: Apache-2.0
pragma solidity 0.8.37;

import {FailedItem, Task, TaskResponse} from "../types/TaskTypes.sol";
import {IOwned} from "./IOwned.sol";
import {ITaskManager} from "./ITaskManager.sol";

/// @title Many tasks in one transaction
/// @notice Every batch comes in two forms. Strict: if any item fails, nothing happens, and the revert lists every
/// failure. Commit the rest (`try...`): what can be recorded is recorded, in silence; each item that fails leaves one
/// BatchItemFailed and nothing else.
/// @dev An item gets at most `itemGas`. One that would get less, because the transaction runs low, is not tried, and
/// neither are those after it: they fail with InsufficientGasForItem, and what was done stays done.
/// A reason is what the task manager reverted with (its first 512 bytes), or one of the two gas errors below.
interface IBatchTaskManager is IOwned {
    /// @notice Emitted by the try forms, for each item that failed.
    event BatchItemFailed(uint256 indexed index, bytes32 indexed taskId, bytes reason);
    event AuthorizedAdded(address indexed account);
    event AuthorizedRemoved(address indexed account);
    event ItemGasSet(uint256 itemGas);

    /// @notice Thrown by the strict forms; lists every item that failed.
    error BatchPartialFailure(FailedItem[] failures);

    /// @notice Thrown when the arrays of a batch differ in length.
    error ArrayLengthMismatch();

    /// @notice Thrown when a batch has no items.
    error EmptyBatch();

    /// @notice The reason of an item that was not tried: too little gas was left. Send it again.
    error InsufficientGasForItem(uint256 index, bytes32 taskId, uint256 gasLeft);

    /// @notice The reason of an item that used up what it was given and said nothing. It needs more gas.
    error ItemLikelyOutOfGas(uint256 index, bytes32 taskId, uint256 gasForwarded);

    /// @notice Thrown when the gas of an item would be zero or more than a block could hold.
    error BatchTaskManager_ItemGasOutOfRange(uint256 itemGas);

    function batchCreateTasks(Task[] calldata tasks) external;

    function tryBatchCreateTasks(Task[] calldata tasks) external;

    function batchRespondToTasks(
        Task[] calldata tasks,
        TaskResponse[] calldata responses,
        bytes[] calldata signatureDatas
    ) external;

    function tryBatchRespondToTasks(
        Task[] calldata tasks,
        TaskResponse[] calldata responses,
        bytes[] calldata signatureDatas
    ) external;

    /// @notice Each item creates and answers its task: both or neither.
    function batchCreateAndRespondToTasks(
        Task[] calldata tasks,
        TaskResponse[] calldata responses,
        bytes[] calldata signatureDatas
    ) external;

    /// @notice Each item creates and answers its task: both or neither.
    function tryBatchCreateAndRespondToTasks(
        Task[] calldata tasks,
        TaskResponse[] calldata responses,
        bytes[] calldata signatureDatas
    ) external;

    /// @notice Lets `account` send batches. The owner only, as for all settings.
    function addAuthorized(address account) external;

    function removeAuthorized(address account) external;

    /// @notice Whether `account` may send batches. The owner always may.
    function isAuthorized(address account) external view returns (bool);

    function setItemGas(uint256 gasPerItem) external;

    /// @notice The most gas that one item may use.
    function itemGas() external view returns (uint256);

    function taskManager() external view returns (ITaskManager);
}
