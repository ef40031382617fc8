// SPDX-License-Identifier: Apache-2.0
pragma solidity 0.8.37;

/// @notice What a client wants to do on some chain, and asks operators to judge.
struct Intent {
    address from;
    address to;
    uint256 value;
    bytes data;
    uint256 chainId;
    bytes functionSignature;
}

/// @notice One intent put to the operators. Its hash is keccak256(abi.encode(task)).
/// @dev `taskCreatedBlock` is the reference block: the quorum is the one that stood at its end.
struct Task {
    bytes32 taskId;
    address policyClient;
    uint32 taskCreatedBlock;
    uint32 quorumThresholdPercentage;
    Intent intent;
    bytes intentSignature;
    bytes wasmArgs;
    bytes quorumNumbers;
    uint256 initializationTimestamp;
}

/// @notice What the operators say about a task. Its hash is keccak256(abi.encode(response)).
struct TaskResponse {
    bytes32 taskId;
    address policyClient;
    bytes32 policyId;
    bytes32 intentHash;
    bytes evaluationResult;
    uint32 expireBlock;
}

/// @notice One item of a batch that did not happen, and what the contract said about it.
struct FailedItem {
    uint256 index;
    bytes32 taskId;
    bytes reason;
}

/// @notice What operators are said to have signed: that a task, with the quorum of its reference block, has this
/// response.
/// @param signatureData as for respondToTask
struct Attestation {
    uint32 taskCreatedBlock;
    bytes32 taskHash;
    bytes32 responseHash;
    bytes signatureData;
}
