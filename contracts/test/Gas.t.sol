// SPDX-License-Identifier: Apache-2.0
pragma solidity 0.8.37;

import {Task, TaskResponse} from "../src/types/TaskTypes.sol";
import {BlsSigner} from "./base/BlsSigner.sol";
import {HeadraceTest} from "./base/HeadraceTest.sol";
import {vm} from "./base/Vm.sol";

/// @notice What things cost, as whole transactions (base cost and calldata included). The figures are in snapshots/;
/// a change of one is a change to be seen in review.
/// forge-config: default.isolate = true
contract GasTest is HeadraceTest {
    Task[] private _tasks;
    TaskResponse[] private _responses;
    bytes[] private _signatures;

    function test_CreateAndRespond() external {
        _snapshotCreateAndRespond("create and respond", 200, NOBODY, CLIENT);
    }

    function test_CreateAndRespond_OneMissing() external {
        _snapshotCreateAndRespond("create and respond, one did not sign", 200, 1 << 3, CLIENT);
    }

    function test_CreateAndRespond_ForAContract() external {
        address client = newPolicyClient(bytes32(uint256(7)));
        _snapshotCreateAndRespond("create and respond, client with code", 200, NOBODY, client);
    }

    function test_CreateAndRespond_LongBody() external {
        _snapshotCreateAndRespond("create and respond, 1000 byte body", 1_000, NOBODY, CLIENT);
    }

    function test_Create() external {
        uint256[2] memory counts = [uint256(1), 10];
        uint256[2] memory spent;
        for (uint256 i; i < 2; ++i) {
            _prepare(counts[i], 200, NOBODY, CLIENT);
            vm.prank(LANE);
            batches.tryBatchCreateTasks(_tasks);
            spent[i] = _snapshot("create", counts[i]);
        }
        _snapshotMarginal("create", counts, spent);
    }

    function test_Respond() external {
        uint256[2] memory counts = [uint256(1), 10];
        uint256[2] memory spent;
        for (uint256 i; i < 2; ++i) {
            _prepare(counts[i], 200, NOBODY, CLIENT);
            vm.prank(LANE);
            batches.tryBatchCreateTasks(_tasks);
            vm.prank(LANE);
            batches.tryBatchRespondToTasks(_tasks, _responses, _signatures);
            spent[i] = _snapshot("respond", counts[i]);
        }
        _snapshotMarginal("respond", counts, spent);
    }

    function test_WithoutABatch() external {
        _prepare(1, 200, NOBODY, CLIENT);
        vm.prank(GENERATOR);
        taskManager.createNewTask(_tasks[0]);
        vm.snapshotGasLastCall("TaskManager", "createNewTask");
        vm.prank(GENERATOR);
        taskManager.respondToTask(_tasks[0], _responses[0], _signatures[0]);
        vm.snapshotGasLastCall("TaskManager", "respondToTask");
    }

    function test_RegisterOperator() external {
        bytes memory publicKey = BlsSigner.publicKey(secretKey(4));
        bytes memory proof = possession(operator(4), secretKey(4));
        vm.prank(OWNER);
        registry.registerOperator(operator(4), publicKey, 1 ether, proof);
        vm.snapshotGasLastCall("OperatorRegistry", "registerOperator");
    }

    function _snapshotCreateAndRespond(string memory name, uint256 bodyLength, uint256 nonSigners, address client)
        private
    {
        uint256[2] memory counts = [uint256(1), 10];
        uint256[2] memory spent;
        for (uint256 i; i < 2; ++i) {
            _prepare(counts[i], bodyLength, nonSigners, client);
            vm.prank(LANE);
            batches.tryBatchCreateAndRespondToTasks(_tasks, _responses, _signatures);
            spent[i] = _snapshot(name, counts[i]);
            for (uint256 item; item < counts[i]; ++item) {
                assertAnswered(_tasks[item], _responses[item]);
            }
        }
        _snapshotMarginal(name, counts, spent);
    }

    function _snapshot(string memory name, uint256 count) private returns (uint256) {
        string memory items = count == 1 ? ": 1 item" : ": 10 items";
        return vm.snapshotGasLastCall("BatchTaskManager", string.concat(name, items));
    }

    function _snapshotMarginal(string memory name, uint256[2] memory counts, uint256[2] memory spent) private {
        uint256 marginal = (spent[1] - spent[0]) / (counts[1] - counts[0]);
        vm.snapshotValue("BatchTaskManager", string.concat(name, ": each further item"), marginal);
    }

    function _prepare(uint256 count, uint256 bodyLength, uint256 nonSigners, address client) private {
        delete _tasks;
        delete _responses;
        delete _signatures;
        for (uint256 i; i < count; ++i) {
            Task memory asked = task(count * 100 + i);
            asked.policyClient = client;
            asked.intent.data = _body(bodyLength, i);
            TaskResponse memory response = responseTo(asked);
            _tasks.push(asked);
            _responses.push(response);
            _signatures.push(signed(nonSigners, asked, response));
        }
    }

    /// @dev Calldata of an intent has hardly any zero bytes in the worst case, which is the one to plan for.
    function _body(uint256 length, uint256 seed) private pure returns (bytes memory body) {
        body = new bytes(length);
        for (uint256 i; i < length; ++i) {
            body[i] = bytes1(uint8(1 + uint256(keccak256(abi.encode(seed, i))) % 255));
        }
    }
}
