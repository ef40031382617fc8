// SPDX-License-Identifier: Apache-2.0
pragma solidity 0.8.37;

import {BatchTaskManager} from "../../src/BatchTaskManager.sol";
import {OperatorRegistry} from "../../src/OperatorRegistry.sol";
import {TaskManager} from "../../src/TaskManager.sol";
import {ITaskManager} from "../../src/interfaces/ITaskManager.sol";
import {Intent, Task, TaskResponse} from "../../src/types/TaskTypes.sol";
import {BlsSigner} from "./BlsSigner.sol";
import {vm} from "./Vm.sol";

/// @notice What every test starts from: the three contracts, four operators with stakes 40, 30, 20 and 10, a lane that
/// may send batches, and a generator that writes to the task manager directly.
abstract contract HeadraceTest {
    uint256 internal constant OPERATORS = 4;
    uint32 internal constant START_BLOCK = 1_000;
    uint256 internal constant NOBODY = 0; // the bitmap when all signed

    address internal immutable OWNER = address(0xA11CE);
    address internal immutable LANE = address(0x1A4E);
    address internal immutable GENERATOR = address(0x6E4);
    address internal immutable STRANGER = address(0xBAD);
    address internal immutable CLIENT = address(0xC11E47); // no code

    OperatorRegistry internal registry;
    TaskManager internal taskManager;
    BatchTaskManager internal batches;

    function setUp() public virtual {
        vm.roll(START_BLOCK);
        registry = newRegistry();
        taskManager = newTaskManager();
        batches = newBatchTaskManager(taskManager, OWNER);
        vm.prank(OWNER);
        registry.addTaskGenerator(address(batches));
        vm.prank(OWNER);
        registry.addTaskGenerator(GENERATOR);
        vm.prank(OWNER);
        batches.addAuthorized(LANE);
        for (uint256 i; i < OPERATORS; ++i) {
            register(i);
        }
        vm.roll(START_BLOCK + 5);
    }

    function newRegistry() internal returns (OperatorRegistry) {
        return OperatorRegistry(_deploy("OperatorRegistry", abi.encode(OWNER)));
    }

    function newTaskManager() internal returns (TaskManager) {
        return TaskManager(_deploy("TaskManager", abi.encode(registry, OWNER)));
    }

    function newBatchTaskManager(ITaskManager target, address owner) internal returns (BatchTaskManager) {
        return BatchTaskManager(_deploy("BatchTaskManager", abi.encode(target, owner)));
    }

    function newPolicyClient(bytes32 policyId) internal returns (address) {
        return _deploy("PolicyClient", abi.encode(policyId));
    }

    /// @dev Not `new`: that would deploy what the compiler makes of it with the quick settings of the tests.
    function _deploy(string memory name, bytes memory arguments) private returns (address) {
        return vm.deployCode(string.concat("out/", name, ".sol/", name, ".json"), arguments);
    }

    /// @dev Not `block.number`: the optimizer takes that for a constant, and these tests move it.
    function blockNow() internal view returns (uint32) {
        return uint32(vm.getBlockNumber());
    }

    function mine(uint256 blocks) internal {
        vm.roll(blockNow() + blocks);
    }

    function secretKey(uint256 index) internal pure returns (uint256) {
        return uint256(keccak256(abi.encode("operator", index))) % BlsSigner.GROUP_ORDER;
    }

    function operator(uint256 index) internal pure returns (address) {
        return address(uint160(0x0909_0000 + index));
    }

    function stakeOf(uint256 index) internal pure returns (uint96) {
        return index < OPERATORS ? uint96(40 - 10 * index) * 1 ether : 1 ether;
    }

    function possession(address account, uint256 key) internal view returns (bytes memory) {
        bytes32 digest = registry.possessionDigest(account, BlsSigner.publicKey(key));
        return BlsSigner.sign(key, digest, BlsSigner.POSSESSION_DST);
    }

    function register(uint256 index) internal {
        bytes memory publicKey = BlsSigner.publicKey(secretKey(index));
        bytes memory proof = possession(operator(index), secretKey(index));
        vm.prank(OWNER);
        registry.registerOperator(operator(index), publicKey, stakeOf(index), proof);
    }

    function task(uint256 number) internal view returns (Task memory) {
        return Task({
            taskId: keccak256(abi.encode("task", number)),
            policyClient: CLIENT,
            taskCreatedBlock: blockNow() - 1,
            quorumThresholdPercentage: 67,
            intent: Intent({
                from: address(0xF40),
                to: address(0x70),
                value: 1 ether,
                data: hex"a9059cbb00000000000000000000000000000000000000000000000000000000000000f00d",
                chainId: block.chainid,
                functionSignature: "transfer(address,uint256)"
            }),
            intentSignature: hex"51",
            wasmArgs: hex"7b7d",
            quorumNumbers: hex"00",
            initializationTimestamp: 1_700_000_000
        });
    }

    function responseTo(Task memory asked) internal view returns (TaskResponse memory) {
        return TaskResponse({
            taskId: asked.taskId,
            policyClient: asked.policyClient,
            policyId: bytes32(uint256(7)),
            intentHash: keccak256(abi.encode(asked.intent)),
            evaluationResult: hex"01",
            expireBlock: blockNow() + 50
        });
    }

    /// @notice What those of the first `count` operators who are not in the bitmap sign, aggregated.
    function signedBy(uint256 count, uint256 nonSigners, Task memory asked, TaskResponse memory response)
        internal
        view
        returns (bytes memory)
    {
        uint256 sum;
        for (uint256 i; i < count; ++i) {
            if (nonSigners >> i & 1 == 0) sum = addmod(sum, secretKey(i), BlsSigner.GROUP_ORDER);
        }
        bytes32 digest = taskManager.attestationDigest(asked, response);
        return bytes.concat(BlsSigner.sign(sum, digest, BlsSigner.ATTESTATION_DST), bytes32(nonSigners));
    }

    function signed(uint256 nonSigners, Task memory asked, TaskResponse memory response)
        internal
        view
        returns (bytes memory)
    {
        return signedBy(OPERATORS, nonSigners, asked, response);
    }

    /// @notice `count` tasks, starting with this number, their responses and signatures, all good.
    function goodBatch(uint256 firstNumber, uint256 count)
        internal
        view
        returns (Task[] memory tasks, TaskResponse[] memory responses, bytes[] memory signatures)
    {
        tasks = new Task[](count);
        responses = new TaskResponse[](count);
        signatures = new bytes[](count);
        for (uint256 i; i < count; ++i) {
            tasks[i] = task(firstNumber + i);
            responses[i] = responseTo(tasks[i]);
            signatures[i] = signed(NOBODY, tasks[i], responses[i]);
        }
    }

    function hashOf(Task memory asked) internal pure returns (bytes32) {
        return keccak256(abi.encode(asked));
    }

    function hashOf(TaskResponse memory response) internal pure returns (bytes32) {
        return keccak256(abi.encode(response));
    }

    function assertRecorded(Task memory asked) internal view {
        vm.assertEq(taskManager.allTaskHashes(asked.taskId), hashOf(asked), "the task should be on record");
    }

    function assertAnswered(Task memory asked, TaskResponse memory response) internal view {
        assertRecorded(asked);
        vm.assertEq(taskManager.allTaskResponses(asked.taskId), hashOf(response), "the answer should be on record");
    }

    function assertNotAnswered(Task memory asked) internal view {
        vm.assertEq(taskManager.allTaskResponses(asked.taskId), bytes32(0), "no answer should be on record");
    }

    function assertNotRecorded(Task memory asked) internal view {
        vm.assertEq(taskManager.allTaskHashes(asked.taskId), bytes32(0), "no task should be on record");
        assertNotAnswered(asked);
    }
}
