// SPDX-License-Identifier: Apache-2.0
pragma solidity 0.8.37;

import {IOwned} from "../src/interfaces/IOwned.sol";
import {ITaskManager} from "../src/interfaces/ITaskManager.sol";
import {Intent, Task} from "../src/types/TaskTypes.sol";
import {HeadraceTest} from "./base/HeadraceTest.sol";
import {vm} from "./base/Vm.sol";
import {GasEater, LongWinded, Silent, YesToEverything} from "./mocks/PolicyClients.sol";

contract TaskManagerCreateTest is HeadraceTest {
    function test_RecordsTheHashAndTellsSo() external {
        Task memory good = task(1);
        vm.expectEmit(address(taskManager));
        emit ITaskManager.NewTaskCreated(good.taskId, hashOf(good), CLIENT);
        _create(good);
        assertRecorded(good);
        assertNotAnswered(good);
    }

    function testFuzz_HashesTheWholeTask(
        bytes32 taskId,
        Intent calldata intent,
        bytes calldata intentSignature,
        bytes calldata wasmArgs,
        uint256 timestamp
    ) external {
        Task memory any = task(1);
        any.taskId = taskId;
        any.intent = intent;
        any.intentSignature = intentSignature;
        any.wasmArgs = wasmArgs;
        any.initializationTimestamp = timestamp;
        if (taskId == 0 || intent.from == address(0) || intent.to == address(0)) return;
        _create(any);
        assertRecorded(any);
    }

    function test_AcceptsAPolicyClient() external {
        Task memory first = task(1);
        first.policyClient = newPolicyClient(bytes32(uint256(7)));
        _create(first);
        assertRecorded(first);
        Task memory second = task(2);
        second.policyClient = address(new LongWinded(bytes32(uint256(7))));
        _create(second);
        assertRecorded(second);
    }

    function test_RefusesACallerThatIsNoTaskGenerator() external {
        Task memory bad = task(1);
        bad.taskId = 0; // who may not call learns nothing more
        vm.expectRevert(abi.encodeWithSelector(ITaskManager.OnlyTaskGenerator.selector));
        vm.prank(OWNER);
        taskManager.createNewTask(bad);

        vm.prank(OWNER);
        registry.removeTaskGenerator(GENERATOR);
        _expectRefused(task(1), abi.encodeWithSelector(ITaskManager.OnlyTaskGenerator.selector));
    }

    function test_RefusesAZeroId() external {
        Task memory bad = task(1);
        bad.taskId = 0;
        _expectRefused(bad, abi.encodeWithSelector(ITaskManager.InvalidTaskId.selector));
    }

    function test_RefusesATakenId() external {
        Task memory first = task(1);
        _create(first);
        bytes memory refusal = abi.encodeWithSelector(ITaskManager.TaskAlreadyExists.selector, hashOf(first));
        _expectRefused(first, refusal);
        Task memory other = task(1);
        other.intent.from = address(0); // the id is looked at first
        _expectRefused(other, refusal);
    }

    function test_RefusesAnIntentFromOrToZero() external {
        bytes memory refusal = abi.encodeWithSelector(ITaskManager.InvalidIntent.selector);
        Task memory bad = task(1);
        bad.intent.from = address(0);
        _expectRefused(bad, refusal);
        bad = task(1);
        bad.intent.to = address(0);
        bad.quorumNumbers = "";
        _expectRefused(bad, refusal);
    }

    function testFuzz_RefusesOtherQuorumNumbers(bytes calldata numbers) external {
        if (numbers.length == 1 && numbers[0] == 0) return;
        Task memory bad = task(1);
        bad.quorumNumbers = numbers;
        bad.quorumThresholdPercentage = 0;
        bytes memory shown = numbers.length > 32 ? numbers[:32] : numbers;
        _expectRefused(bad, abi.encodeWithSelector(ITaskManager.InvalidQuorumNumbers.selector, shown));
    }

    function testFuzz_RefusesAThresholdOutOfRange(uint32 percentage) external {
        if (percentage > 0 && percentage <= 100) percentage += 100;
        Task memory bad = task(1);
        bad.quorumThresholdPercentage = percentage;
        bad.taskCreatedBlock = 0;
        _expectRefused(bad, abi.encodeWithSelector(ITaskManager.InvalidQuorumThreshold.selector, percentage));
    }

    function test_AcceptsTheThresholdsAtTheEdges() external {
        Task memory lowest = task(1);
        lowest.quorumThresholdPercentage = 1;
        _create(lowest);
        Task memory highest = task(2);
        highest.quorumThresholdPercentage = 100;
        _create(highest);
    }

    function test_RefusesTheReferenceBlockZero() external {
        Task memory bad = task(1);
        bad.taskCreatedBlock = 0;
        bad.policyClient = address(0);
        _expectRefused(bad, abi.encodeWithSelector(ITaskManager.InvalidTaskCreatedBlock.selector));
    }

    function testFuzz_RefusesAReferenceBlockThatIsNotOver(uint32 ahead) external {
        Task memory bad = task(1);
        bad.taskCreatedBlock = blockNow() + ahead % (type(uint32).max - blockNow());
        bad.policyClient = address(0);
        _expectRefused(bad, abi.encodeWithSelector(ITaskManager.TaskCreatedBlockInFuture.selector));
    }

    function testFuzz_TheCreationWindow(uint32 window, uint32 age) external {
        window = 1 + window % 500;
        age = 1 + age % 600;
        vm.prank(OWNER);
        taskManager.setTaskCreationBufferWindow(window);
        Task memory aged = task(1);
        aged.taskCreatedBlock = blockNow() - age;
        if (age <= window) {
            _create(aged);
            assertRecorded(aged);
        } else {
            aged.policyClient = address(0);
            _expectRefused(aged, abi.encodeWithSelector(ITaskManager.TaskCreatedBlockTooOld.selector));
        }
    }

    function test_TheCreationWindow_Is64BlocksAtFirst() external {
        vm.assertEq(taskManager.taskCreationBufferWindow(), 64, "creation window");
        vm.assertEq(taskManager.taskResponseWindowBlock(), 128, "response window");
        Task memory last = task(1);
        last.taskCreatedBlock = blockNow() - 64;
        _create(last);
        Task memory tooOld = task(2);
        tooOld.taskCreatedBlock = blockNow() - 65;
        _expectRefused(tooOld, abi.encodeWithSelector(ITaskManager.TaskCreatedBlockTooOld.selector));
    }

    function test_RefusesTheZeroAddressAsClient() external {
        Task memory bad = task(1);
        bad.policyClient = address(0);
        _expectRefused(bad, abi.encodeWithSelector(ITaskManager.InvalidPolicyClient.selector));
    }

    function test_RefusesAContractThatIsNoPolicyClient() external {
        address[4] memory clients =
            [address(new Silent()), address(new YesToEverything()), address(new GasEater()), address(registry)];
        for (uint256 i; i < clients.length; ++i) {
            Task memory bad = task(1);
            bad.policyClient = clients[i];
            uint256 gasBefore = gasleft();
            _expectRefused(bad, abi.encodeWithSelector(ITaskManager.InterfaceNotSupported.selector));
            vm.assertLe(gasBefore - gasleft(), 100_000, "a client can waste its bound and no more");
        }
    }

    function testFuzz_WhenGasIsShort_AGoodClientIsNeverCalledUnsupported(uint256 gasGiven) external {
        Task memory good = task(1);
        good.policyClient = newPolicyClient(bytes32(uint256(7)));
        vm.prank(GENERATOR);
        try taskManager.createNewTask{gas: gasGiven % 120_000}(good) {
            assertRecorded(good);
        } catch (bytes memory reason) {
            vm.assertEq(reason.length, 0, "running out of gas says nothing");
        }
    }

    function test_SetWindows_OnlyTheOwner_NeverZero() external {
        bytes memory unauthorized = abi.encodeWithSelector(IOwned.Unauthorized.selector);
        vm.expectRevert(unauthorized);
        taskManager.setTaskCreationBufferWindow(5);
        vm.expectRevert(unauthorized);
        taskManager.setTaskResponseWindowBlock(5);
        bytes memory zero = abi.encodeWithSelector(ITaskManager.TaskManager_ZeroWindow.selector);
        vm.expectRevert(zero);
        vm.prank(OWNER);
        taskManager.setTaskCreationBufferWindow(0);
        vm.expectRevert(zero);
        vm.prank(OWNER);
        taskManager.setTaskResponseWindowBlock(0);

        vm.expectEmit(address(taskManager));
        emit ITaskManager.TaskCreationBufferWindowSet(5);
        vm.prank(OWNER);
        taskManager.setTaskCreationBufferWindow(5);
        vm.expectEmit(address(taskManager));
        emit ITaskManager.TaskResponseWindowBlockSet(6);
        vm.prank(OWNER);
        taskManager.setTaskResponseWindowBlock(6);
        vm.assertEq(taskManager.taskCreationBufferWindow(), 5, "creation window");
        vm.assertEq(taskManager.taskResponseWindowBlock(), 6, "response window");
    }

    function _create(Task memory asked) private {
        vm.prank(GENERATOR);
        taskManager.createNewTask(asked);
    }

    function _expectRefused(Task memory asked, bytes memory why) private {
        vm.expectRevert(why);
        vm.prank(GENERATOR);
        taskManager.createNewTask(asked);
    }
}
