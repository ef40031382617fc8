// SPDX-License-Identifier: Apache-2.0
pragma solidity 0.8.37;

import {ITaskManager} from "../src/interfaces/ITaskManager.sol";
import {Aggregate3} from "../src/testing/Aggregate3.sol";
import {Task, TaskResponse} from "../src/types/TaskTypes.sol";
import {HeadraceTest} from "./base/HeadraceTest.sol";
import {vm} from "./base/Vm.sol";

/// @notice The tree is in Aggregate3.tree.
contract Aggregate3Test is HeadraceTest {
    Aggregate3 private _plain;

    function setUp() public override {
        super.setUp();
        _plain = Aggregate3(vm.deployCode("out/Aggregate3.sol/Aggregate3.json", ""));
        vm.prank(OWNER);
        registry.addTaskGenerator(address(_plain));
    }

    function test_CallsAreMadeInOrder() external {
        Task memory asked = task(1);
        TaskResponse memory response = responseTo(asked);
        Aggregate3.Call3[] memory calls = new Aggregate3.Call3[](2);
        calls[0] = _create(asked, false);
        calls[1] = Aggregate3.Call3({
            target: address(taskManager),
            allowFailure: false,
            callData: abi.encodeCall(
                ITaskManager.respondToTask, (asked, response, signed(NOBODY, asked, response))
            )
        });
        _plain.aggregate3(calls);
        assertAnswered(asked, response);
    }

    function test_AnswersAreHandedOn() external {
        Aggregate3.Call3[] memory calls = new Aggregate3.Call3[](1);
        calls[0] = Aggregate3.Call3({
            target: address(taskManager),
            allowFailure: false,
            callData: abi.encodeCall(ITaskManager.taskResponseWindowBlock, ())
        });
        Aggregate3.Result[] memory results = _plain.aggregate3(calls);
        vm.assertTrue(results[0].success, "it succeeded");
        vm.assertEq(results[0].returnData, abi.encode(uint256(128)), "what it answered");
    }

    function test_WhenFailureIsAllowed_OnlyThatOneFails() external {
        Aggregate3.Call3[] memory calls = new Aggregate3.Call3[](3);
        calls[0] = _create(task(1), true);
        calls[1] = _create(task(1), true);
        calls[2] = _create(task(2), true);
        Aggregate3.Result[] memory results = _plain.aggregate3(calls);
        assertRecorded(task(1));
        assertRecorded(task(2));
        vm.assertTrue(results[0].success && results[2].success, "the others succeeded");
        vm.assertFalse(results[1].success, "it is told that this one failed");
        vm.assertEq(
            results[1].returnData,
            abi.encodeWithSelector(ITaskManager.TaskAlreadyExists.selector, hashOf(task(1))),
            "why"
        );
    }

    function test_WhenFailureIsNotAllowed_AllIsUndone() external {
        Aggregate3.Call3[] memory calls = new Aggregate3.Call3[](2);
        calls[0] = _create(task(1), true);
        calls[1] = _create(task(1), false);
        vm.expectRevert(abi.encodeWithSignature("Error(string)", "Aggregate3: call failed"));
        _plain.aggregate3(calls);
        assertNotRecorded(task(1));
    }

    function test_OfNoCalls_NothingHappens() external {
        vm.assertEq(_plain.aggregate3(new Aggregate3.Call3[](0)).length, 0, "no answers");
    }

    function _create(Task memory asked, bool allowFailure) private view returns (Aggregate3.Call3 memory) {
        return Aggregate3.Call3({
            target: address(taskManager),
            allowFailure: allowFailure,
            callData: abi.encodeCall(ITaskManager.createNewTask, (asked))
        });
    }
}
