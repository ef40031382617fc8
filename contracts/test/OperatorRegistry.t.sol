// SPDX-License-Identifier: Apache-2.0
pragma solidity 0.8.37;

import {OperatorRegistry} from "../src/OperatorRegistry.sol";
import {IOperatorRegistry} from "../src/interfaces/IOperatorRegistry.sol";
import {IOwned} from "../src/interfaces/IOwned.sol";
import {IQuorumErrors} from "../src/interfaces/IQuorumErrors.sol";
import {BLS12381, G2Point} from "../src/libraries/BLS12381.sol";
import {BlsSigner} from "./base/BlsSigner.sol";
import {HeadraceTest} from "./base/HeadraceTest.sol";
import {vm} from "./base/Vm.sol";

contract OperatorRegistryTest is HeadraceTest {
    using BLS12381 for G2Point;

    uint96 private constant STAKE = 5 ether;

    // On the curve over the extension field, with x = (2, 0); not in the group.
    bytes private constant OUT_OF_GROUP = hex"00000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000002"
        hex"00000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000"
        hex"0000000000000000000000000000000018c6b864ae17dc9da64203ffefb966306425a7bc6aeb7c75247438372716284a4173830420cd476ba1a365b95bfcec38"
        hex"00000000000000000000000000000000172e93db764a8400a7d5071b6b6f5de0da2f0f4a063119abca014006b7c40a2cfe291a1924e65db0d6d0fcfbf3bf3d5c";

    function test_EveryChange_OnlyTheOwner() external {
        vm.expectRevert(abi.encodeWithSelector(IOwned.Unauthorized.selector));
        registry.addTaskGenerator(STRANGER);
        vm.expectRevert(abi.encodeWithSelector(IOwned.Unauthorized.selector));
        registry.removeTaskGenerator(GENERATOR);
        vm.expectRevert(abi.encodeWithSelector(IOwned.Unauthorized.selector));
        registry.registerOperator(STRANGER, "", STAKE, "");
        vm.expectRevert(abi.encodeWithSelector(IOwned.Unauthorized.selector));
        registry.setStake(operator(0), STAKE);
        vm.expectRevert(abi.encodeWithSelector(IOwned.Unauthorized.selector));
        registry.removeOperator(operator(0));
        vm.expectRevert(abi.encodeWithSelector(IOwned.Unauthorized.selector));
        registry.transferOwnership(STRANGER);
    }

    function testFuzz_TaskGenerators_ListAndAnswerAgree(uint8[24] calldata steps) external {
        bool[8] memory expected;
        for (uint256 i; i < steps.length; ++i) {
            uint256 who = steps[i] % 8;
            bool add = steps[i] >= 100;
            vm.prank(OWNER);
            if (add) registry.addTaskGenerator(address(uint160(0xAA00 + who)));
            else registry.removeTaskGenerator(address(uint160(0xAA00 + who)));
            expected[who] = add;
        }
        uint256 count = 2; // those of setUp
        for (uint256 who; who < 8; ++who) {
            bool is_ = registry.isTaskGenerator(address(uint160(0xAA00 + who)));
            vm.assertTrue(is_ == expected[who], "the last word counts");
            if (is_) ++count;
        }
        address[] memory listed = registry.taskGenerators();
        vm.assertEq(listed.length, count, "each should be listed once");
        for (uint256 i; i < listed.length; ++i) {
            vm.assertTrue(registry.isTaskGenerator(listed[i]), "only generators should be listed");
        }
    }

    function test_AddTaskGenerator_RefusesTheZeroAddress() external {
        vm.expectRevert(abi.encodeWithSelector(IOperatorRegistry.OperatorRegistry_ZeroAddress.selector));
        vm.prank(OWNER);
        registry.addTaskGenerator(address(0));
    }

    function test_RegisterOperator_GivesTheNextIndex() external {
        bytes memory publicKey = BlsSigner.publicKey(secretKey(4));
        bytes memory proof = possession(operator(4), secretKey(4));
        vm.expectEmit(address(registry));
        emit IOperatorRegistry.OperatorRegistered(operator(4), 4, publicKey, STAKE);
        vm.expectEmit(address(registry));
        emit IOperatorRegistry.StakeSet(operator(4), 4, STAKE);
        vm.prank(OWNER);
        registry.registerOperator(operator(4), publicKey, STAKE, proof);

        (address account, bytes memory key, uint96 stake) = registry.operatorAt(4);
        vm.assertEq(account, operator(4), "its address");
        vm.assertEq(key, publicKey, "its key");
        vm.assertEq(stake, STAKE, "its stake");
        vm.assertEq(registry.indexOf(operator(4)), 4, "its index");
        address[] memory all = registry.operators();
        vm.assertEq(all.length, 5, "all operators");
        vm.assertEq(all[0], operator(0), "in the order of their index");
        vm.assertEq(all[4], operator(4), "in the order of their index");
    }

    function test_RegisterOperator_Refuses() external {
        bytes memory key = BlsSigner.publicKey(secretKey(4));
        bytes memory proof = possession(operator(4), secretKey(4));
        _expectRefused(
            address(0), key, STAKE, proof, _error(IOperatorRegistry.OperatorRegistry_ZeroAddress.selector)
        );
        _expectRefused(
            operator(1),
            key,
            STAKE,
            proof,
            abi.encodeWithSelector(IOperatorRegistry.OperatorRegistry_AlreadyRegistered.selector, operator(1))
        );
        _expectRefused(operator(4), key, 0, proof, _error(IOperatorRegistry.OperatorRegistry_ZeroStake.selector));
        bytes memory taken = BlsSigner.publicKey(secretKey(0));
        _expectRefused(
            operator(4),
            taken,
            STAKE,
            possession(operator(4), secretKey(0)),
            abi.encodeWithSelector(IOperatorRegistry.OperatorRegistry_PublicKeyTaken.selector, keccak256(taken))
        );
        bytes memory invalid = _error(IOperatorRegistry.OperatorRegistry_InvalidPublicKey.selector);
        _expectRefused(operator(4), bytes.concat(key, hex"00"), STAKE, proof, invalid);
        _expectRefused(operator(4), "", STAKE, proof, invalid);
        _expectRefused(operator(4), new bytes(256), STAKE, proof, invalid);
    }

    function test_RegisterOperator_RefusesTheOneTooMany() external {
        for (uint256 index = OPERATORS; index < 256; ++index) {
            register(index);
        }
        bytes memory key = BlsSigner.publicKey(secretKey(256));
        bytes memory proof = possession(operator(256), secretKey(256));
        _expectRefused(operator(256), key, STAKE, proof, _error(IOperatorRegistry.OperatorRegistry_Full.selector));

        mine(1);
        (uint128 total, uint128 signedStake,) = registry.signersAt(blockNow() - 1, 1 << 255);
        vm.assertEq(total - signedStake, 1 ether, "the last operator has the last bit");
    }

    function test_Possession_RefusesAnyOtherSignature() external {
        bytes memory key = BlsSigner.publicKey(secretKey(4));
        bytes32 digest = registry.possessionDigest(operator(4), key);
        bytes memory proof = BlsSigner.sign(secretKey(4), digest, BlsSigner.POSSESSION_DST);

        _expectNoPossession(key, BlsSigner.sign(secretKey(5), digest, BlsSigner.POSSESSION_DST));
        _expectNoPossession(key, BlsSigner.sign(secretKey(4), digest, BlsSigner.ATTESTATION_DST));
        _expectNoPossession(key, possession(operator(5), secretKey(4)));
        _expectNoPossession(key, bytes.concat(proof, hex"00"));
        _expectNoPossession(key, "");
        _expectNoPossession(key, new bytes(96));

        bytes32 elsewhere = newRegistry().possessionDigest(operator(4), key);
        _expectNoPossession(key, BlsSigner.sign(secretKey(4), elsewhere, BlsSigner.POSSESSION_DST));
        vm.chainId(999);
        _expectNoPossession(key, proof);
    }

    function test_Possession_RefusesARogueKey() external {
        // The key that cancels everybody else's: with it, one could sign alone for all.
        G2Point memory others = BlsSigner.publicPoint(secretKey(0));
        for (uint256 i = 1; i < OPERATORS; ++i) {
            others = others.add(BlsSigner.publicPoint(secretKey(i)));
        }
        bytes memory rogue = abi.encode(BlsSigner.publicPoint(secretKey(4)).add(others.negate()));
        bytes32 digest = registry.possessionDigest(operator(4), rogue);
        _expectNoPossession(rogue, BlsSigner.sign(secretKey(4), digest, BlsSigner.POSSESSION_DST));
    }

    function test_Possession_RefusesAKeyOutsideTheGroup() external {
        bytes memory outside = OUT_OF_GROUP;
        bytes32 digest = registry.possessionDigest(operator(4), outside);
        // That it is on the curve shows in that it can be added.
        abi.decode(outside, (G2Point)).add(BlsSigner.generator());
        _expectNoPossession(outside, BlsSigner.sign(secretKey(4), digest, BlsSigner.POSSESSION_DST));
    }

    function test_SetStake_ZeroTakesTheKeyOut_AndAStakeBringsItBack() external {
        (, bytes memory before) = registry.quorumAt(blockNow() - 1);
        vm.prank(OWNER);
        registry.removeOperator(operator(1));
        mine(1);

        (uint128 total, bytes memory key) = registry.quorumAt(blockNow() - 1);
        vm.assertEq(total, 70 ether, "the stake should be gone");
        vm.assertEq(key, _aggregate(2), "the key should be gone");

        vm.prank(OWNER);
        registry.setStake(operator(1), 30 ether);
        mine(1);
        (total, key) = registry.quorumAt(blockNow() - 1);
        vm.assertEq(total, 100 ether, "the stake should be back");
        vm.assertEq(key, before, "the key should be back");
        vm.assertEq(registry.indexOf(operator(1)), 1, "its index stays its own");

        register(4);
        vm.assertEq(registry.indexOf(operator(4)), 4, "an index is never given again");
    }

    function test_SetStake_RefusesAStranger() external {
        bytes memory refusal =
            abi.encodeWithSelector(IOperatorRegistry.OperatorRegistry_NotRegistered.selector, STRANGER);
        vm.expectRevert(refusal);
        vm.prank(OWNER);
        registry.setStake(STRANGER, STAKE);
        vm.expectRevert(refusal);
        vm.prank(OWNER);
        registry.removeOperator(STRANGER);
        vm.expectRevert(refusal);
        registry.indexOf(STRANGER);
    }

    /// @dev Each step changes one stake, then zero to three blocks go by. Every block must remember what it ended with.
    function testFuzz_History_ShowsTheEndOfEachBlock(uint16[12] calldata steps) external {
        uint32 first = blockNow();
        uint96[OPERATORS][64] memory expected;
        uint96[OPERATORS] memory stakes = [uint96(40 ether), 30 ether, 20 ether, 10 ether];
        for (uint256 i; i < steps.length; ++i) {
            uint256 index = steps[i] % OPERATORS;
            uint96 stake = uint96(steps[i] >> 2 & 7);
            vm.prank(OWNER);
            registry.setStake(operator(index), stake);
            stakes[index] = stake;
            for (uint256 blocks = steps[i] >> 5 & 3; blocks > 0; --blocks) {
                expected[blockNow() - first] = _copy(stakes);
                mine(1);
            }
        }
        expected[blockNow() - first] = _copy(stakes);
        mine(1);
        for (uint32 past = first; past < blockNow(); ++past) {
            _assertBlock(past, expected[past - first]);
        }
    }

    function test_QuorumAt_WithoutOperators() external {
        vm.expectRevert(abi.encodeWithSelector(IQuorumErrors.NoOperatorsAt.selector, START_BLOCK - 1));
        registry.quorumAt(START_BLOCK - 1);
        for (uint256 i; i < OPERATORS; ++i) {
            vm.prank(OWNER);
            registry.removeOperator(operator(i));
        }
        uint32 empty = blockNow();
        mine(1);
        vm.expectRevert(abi.encodeWithSelector(IQuorumErrors.NoOperatorsAt.selector, empty));
        registry.quorumAt(empty);
        (uint128 total,) = registry.quorumAt(empty - 1);
        vm.assertEq(total, 100 ether, "the past stays what it was");
    }

    function test_QuorumAt_RefusesABlockThatIsNotOver() external {
        bytes memory refusal = _error(IQuorumErrors.InvalidReferenceBlocknumber.selector);
        vm.expectRevert(refusal);
        registry.quorumAt(blockNow());
        vm.expectRevert(refusal);
        registry.signersAt(blockNow() + 9, NOBODY);
    }

    function testFuzz_SignersAt_TakesNonSignersOff(uint256 bitmap) external view {
        bitmap &= 15;
        (uint128 total, uint128 signedStake, G2Point memory key) = registry.signersAt(blockNow() - 1, bitmap);
        uint128 expected;
        for (uint256 i; i < OPERATORS; ++i) {
            if (bitmap >> i & 1 == 0) expected += stakeOf(i);
        }
        vm.assertEq(total, 100 ether, "the total never depends on who signed");
        vm.assertEq(signedStake, expected, "the stake of those who signed");
        vm.assertEq(abi.encode(key), _aggregate(bitmap), "the key of those who signed");
    }

    function testFuzz_SignersAt_RefusesWhoWasNotThere(uint256 index) external {
        index = OPERATORS + index % (256 - OPERATORS);
        vm.expectRevert(abi.encodeWithSelector(IQuorumErrors.InvalidNonSigner.selector, index));
        registry.signersAt(blockNow() - 1, 1 << index);
    }

    function test_SignersAt_RefusesWhoHadNoStakeThen() external {
        register(4);
        vm.prank(OWNER);
        registry.removeOperator(operator(1));
        uint32 changed = blockNow();
        mine(1);

        vm.expectRevert(abi.encodeWithSelector(IQuorumErrors.InvalidNonSigner.selector, 1));
        registry.signersAt(changed, 1 << 1);
        vm.expectRevert(abi.encodeWithSelector(IQuorumErrors.InvalidNonSigner.selector, 4));
        registry.signersAt(changed - 1, 1 << 4);
        registry.signersAt(changed, 1 << 4);
        registry.signersAt(changed - 1, 1 << 1);
    }

    function test_Ownership_IsHandedOverInOneStep() external {
        vm.expectEmit(address(registry));
        emit IOwned.OwnershipTransferred(OWNER, STRANGER);
        vm.prank(OWNER);
        registry.transferOwnership(STRANGER);
        vm.assertEq(registry.owner(), STRANGER, "the new owner");
        vm.expectRevert(_error(IOwned.Unauthorized.selector));
        vm.prank(OWNER);
        registry.transferOwnership(OWNER);
    }

    function test_Ownership_NotToTheZeroAddress() external {
        vm.expectRevert(_error(IOwned.Owned_ZeroOwner.selector));
        vm.prank(OWNER);
        registry.transferOwnership(address(0));
        vm.expectRevert(_error(IOwned.Owned_ZeroOwner.selector));
        new OperatorRegistry(address(0));
    }

    function _expectRefused(address account, bytes memory key, uint96 stake, bytes memory proof, bytes memory why)
        private
    {
        vm.expectRevert(why);
        vm.prank(OWNER);
        registry.registerOperator(account, key, stake, proof);
    }

    function _expectNoPossession(bytes memory key, bytes memory proof) private {
        _expectRefused(
            operator(4), key, STAKE, proof, _error(IOperatorRegistry.OperatorRegistry_InvalidPossession.selector)
        );
    }

    function _assertBlock(uint32 past, uint96[OPERATORS] memory stakes) private {
        uint256 sum;
        uint256 absent;
        for (uint256 i; i < OPERATORS; ++i) {
            vm.assertEq(registry.stakeAt(i, past), stakes[i], "a stake at the end of a block");
            sum += stakes[i];
            if (stakes[i] == 0) absent |= 1 << i;
        }
        if (sum == 0) {
            vm.expectRevert(abi.encodeWithSelector(IQuorumErrors.NoOperatorsAt.selector, past));
            registry.quorumAt(past);
            return;
        }
        (uint128 total, bytes memory key) = registry.quorumAt(past);
        vm.assertEq(total, sum, "the sum of the stakes");
        vm.assertEq(key, _aggregate(absent), "the sum of the keys that have a stake");
    }

    function _copy(uint96[OPERATORS] memory stakes) private pure returns (uint96[OPERATORS] memory copy) {
        for (uint256 i; i < OPERATORS; ++i) {
            copy[i] = stakes[i];
        }
    }

    /// @dev The sum of the keys of the four operators, without those in the bitmap.
    function _aggregate(uint256 without) private view returns (bytes memory) {
        uint256 sum;
        for (uint256 i; i < OPERATORS; ++i) {
            if (without >> i & 1 == 0) sum = addmod(sum, secretKey(i), BlsSigner.GROUP_ORDER);
        }
        return sum == 0 ? new bytes(256) : BlsSigner.publicKey(sum);
    }

    function _error(bytes4 selector) private pure returns (bytes memory) {
        return abi.encodeWithSelector(selector);
    }
}
