// SPDX-License-Identifier: Apache-2.0
pragma solidity 0.8.37;

import {ITaskManager} from "../src/interfaces/ITaskManager.sol";
import {Attestation, FailedItem, Task, TaskResponse} from "../src/types/TaskTypes.sol";
import {BatchTest} from "./base/BatchTest.sol";
import {vm} from "./base/Vm.sol";

/// @notice Signatures that are checked together. The tree is in Attestations.tree.
contract AttestationsTest is BatchTest {
    uint256 private constant ITEMS = 12;
    /// @dev No signature is checked by itself for so little.
    uint256 private constant GAS_OF_A_PAIRING = 100_000;

    // A point of the curve that is not in the group: x = 4.
    bytes private constant OUT_OF_GROUP = hex"000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000004"
        hex"0a989badd40d6212b33cffc3f3763e9bc760f988c9926b26da9dd85e928483446346b8ed00e1de5d5ea93e354abe706c";

    Task[] private _tasks;
    TaskResponse[] private _responses;
    bytes[] private _signatures;

    function setUp() public override {
        super.setUp();
        for (uint256 i; i < ITEMS; ++i) {
            Task memory asked = task(i);
            asked.quorumThresholdPercentage = 60;
            TaskResponse memory response = responseTo(asked);
            _tasks.push(asked);
            _responses.push(response);
            // All of four, without the first, without the third: three keys.
            _signatures.push(signed([NOBODY, 1, 4][i % 3], asked, response));
        }
        vm.prank(OWNER);
        registry.addTaskGenerator(address(this));
    }

    function test_WhatHoldsIsRecordedWithoutAnotherCheck() external {
        taskManager.proveTogether(_attestations());
        for (uint256 i; i < ITEMS; ++i) {
            uint256 gasBefore = gasleft();
            _answer(i);
            vm.assertLe(gasBefore - gasleft(), GAS_OF_A_PAIRING, "its signature is not checked again");
            assertAnswered(_tasks[i], _responses[i]);
        }
    }

    /// forge-config: default.fuzz.runs = 32
    function testFuzz_WhoeverDoesNotHold_IsRefused_AndNobodyElse(uint256 which, uint256 how) external {
        which %= 1 << ITEMS;
        for (uint256 i; i < ITEMS; ++i) {
            if (which >> i & 1 == 1) _spoil(i, how >> 2 * i & 3);
        }
        taskManager.proveTogether(_attestations());
        for (uint256 i; i < ITEMS; ++i) {
            try this.answer(i) {
                vm.assertTrue(which >> i & 1 == 0, "who is bad is refused");
                assertAnswered(_tasks[i], _responses[i]);
            } catch (bytes memory reason) {
                vm.assertTrue(which >> i & 1 == 1, "who is good is recorded");
                vm.assertEq(
                    reason,
                    abi.encodeWithSelector(ITaskManager.InvalidBLSSignature.selector),
                    "as it would be alone"
                );
            }
        }
    }

    /// @dev Their sums are right, and with factors that somebody could choose they would pass.
    function test_SignaturesThatMakeUpForEachOther_AreRefused() external {
        bytes memory first = _signatures[0];
        _signatures[0] = _signatures[3];
        _signatures[3] = first;
        taskManager.proveTogether(_attestations());
        _assertRefused(0);
        _assertRefused(3);
        _answer(1);
    }

    function test_APointOutsideTheGroup_IsRefused_AndNobodyElse() external {
        _signatures[1] = bytes.concat(OUT_OF_GROUP, bytes32(uint256(1)));
        taskManager.proveTogether(_attestations());
        _assertRefused(1);
        for (uint256 i = 6; i < ITEMS; ++i) {
            uint256 gasBefore = gasleft();
            _answer(i);
            vm.assertLe(gasBefore - gasleft(), GAS_OF_A_PAIRING, "the other half was checked together");
        }
    }

    function test_NothingElseIsProven() external {
        taskManager.proveTogether(_attestations());
        TaskResponse memory other = _responses[0];
        other.evaluationResult = hex"00";
        _expect(ITaskManager.InvalidBLSSignature.selector);
        taskManager.createAndRespondToTask(_tasks[0], other, _signatures[0]);

        bytes memory moreSigned = _signatures[1];
        moreSigned[127] = 0;
        _expect(ITaskManager.InvalidBLSSignature.selector);
        taskManager.createAndRespondToTask(_tasks[1], _responses[1], moreSigned);
    }

    function test_ThatManySigned_IsNotThatEnoughDid() external {
        for (uint256 i; i < ITEMS; ++i) {
            _tasks[i].quorumThresholdPercentage = 90;
            _signatures[i] = signed(1, _tasks[i], _responses[i]);
        }
        taskManager.proveTogether(_attestations());
        _expect(ITaskManager.InsufficientQuorumStake.selector);
        this.answer(0);
    }

    /// @dev The caller says which block. It is the task's own that counts.
    function test_AnotherReferenceBlockProvesNothing() external {
        Attestation[] memory attestations = _attestations();
        vm.prank(OWNER);
        registry.setStake(operator(0), 1_000 ether);
        mine(2);
        for (uint256 i; i < ITEMS; ++i) {
            attestations[i].taskCreatedBlock = blockNow() - 1;
        }
        taskManager.proveTogether(attestations);
        for (uint256 i; i < 3; ++i) {
            uint256 gasBefore = gasleft();
            _answer(i);
            vm.assertTrue(gasBefore - gasleft() > GAS_OF_A_PAIRING, "its signature is checked by itself");
        }
    }

    function test_WhatCannotBeChecked_MeetsItsOwnErrorWhereItIsUsed() external {
        _signatures[0] = hex"00";
        _signatures[1] = new bytes(128);
        _signatures[2] = bytes.concat(_signatures[2], bytes32(0));
        _signatures[3] = bytes.concat(_first96(_signatures[3]), bytes32(uint256(1 << 200)));
        Attestation[] memory attestations = _attestations();
        attestations[4].taskCreatedBlock = blockNow() + 1;
        taskManager.proveTogether(attestations);
        for (uint256 i; i < ITEMS; ++i) {
            uint256 gasBefore = gasleft();
            try this.answer(i) {
                vm.assertTrue(i > 2, "these are no signatures");
                if (i > 4) {
                    vm.assertLe(gasBefore - gasleft(), GAS_OF_A_PAIRING, "the others were checked together");
                }
            } catch {
                vm.assertTrue(i < 4, "all others are good");
            }
        }
    }

    function test_OfNoneAndOfOne_NothingIsRemembered() external {
        taskManager.proveTogether(new Attestation[](0));
        Attestation[] memory one = new Attestation[](1);
        one[0] = _attestations()[0];
        taskManager.proveTogether(one);
        uint256 gasBefore = gasleft();
        _answer(0);
        vm.assertTrue(gasBefore - gasleft() > GAS_OF_A_PAIRING, "its signature is checked by itself");
    }

    /// forge-config: default.fuzz.runs = 32
    function testFuzz_WithLittleGas_NobodyIsTakenForProven(uint256 gasGiven) external {
        _signatures[0] = _signatures[3];
        bytes memory call = abi.encodeCall(ITaskManager.proveTogether, (_attestations()));
        (bool ok,) = address(taskManager).call{gas: 20_000 + gasGiven % 1_200_000}(call);
        ok;
        _assertRefused(0);
        for (uint256 i = 1; i < ITEMS; ++i) {
            _answer(i);
        }
    }

    function test_OneBadSignature_CostsTheOthersLittle() external {
        uint256 good = _gasOfAll();
        mine(1);
        delete _tasks;
        delete _responses;
        delete _signatures;
        for (uint256 i; i < ITEMS; ++i) {
            _tasks.push(task(100 + i));
            _responses.push(responseTo(_tasks[i]));
            _signatures.push(signed(NOBODY, _tasks[i], _responses[i]));
        }
        _signatures[5] = _signatures[6];
        uint256 bad = _gasOfAll();
        vm.assertLe(bad, good + 12 * GAS_OF_A_PAIRING, "twelve pairings instead of one");
        assertNotRecorded(_tasks[5]);
        assertAnswered(_tasks[4], _responses[4]);
    }

    function answer(uint256 i) external {
        _answer(i);
    }

    function _answer(uint256 i) private {
        taskManager.createAndRespondToTask(_tasks[i], _responses[i], _signatures[i]);
    }

    function _assertRefused(uint256 i) private {
        _expect(ITaskManager.InvalidBLSSignature.selector);
        this.answer(i);
    }

    function _expect(bytes4 selector) private {
        vm.expectRevert(abi.encodeWithSelector(selector));
    }

    function _gasOfAll() private returns (uint256) {
        uint256 gasBefore = gasleft();
        vm.prank(LANE);
        batches.tryBatchCreateAndRespondToTasks(_tasks, _responses, _signatures);
        return gasBefore - gasleft();
    }

    /// @dev A signature of something else, of nobody, off the curve, or with a bit flipped.
    function _spoil(uint256 i, uint256 how) private {
        bytes memory data = _signatures[i];
        bytes memory bitmap = new bytes(32);
        bitmap[31] = data[127];
        if (how == 0) data = bytes.concat(_first96(signed(NOBODY, task(1_000 + i), responseTo(task(i)))), bitmap);
        if (how == 1) data = bytes.concat(new bytes(96), bitmap);
        if (how == 2) data = bytes.concat(bytes32(type(uint256).max), new bytes(64), bitmap);
        if (how == 3) data[50] ^= 0x01;
        _signatures[i] = data;
    }

    function _first96(bytes memory data) private pure returns (bytes memory) {
        assembly ("memory-safe") {
            mstore(data, 96)
        }
        return data;
    }

    function _attestations() private view returns (Attestation[] memory attestations) {
        attestations = new Attestation[](ITEMS);
        for (uint256 i; i < ITEMS; ++i) {
            attestations[i] = Attestation({
                taskCreatedBlock: _tasks[i].taskCreatedBlock,
                taskHash: hashOf(_tasks[i]),
                responseHash: hashOf(_responses[i]),
                signatureData: _signatures[i]
            });
        }
    }
}
