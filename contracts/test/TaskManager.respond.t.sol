// SPDX-License-Identifier: Apache-2.0
pragma solidity 0.8.37;

import {TaskManager} from "../src/TaskManager.sol";
import {ITaskManager} from "../src/interfaces/ITaskManager.sol";
import {IQuorumErrors} from "../src/interfaces/IQuorumErrors.sol";
import {Task, TaskResponse} from "../src/types/TaskTypes.sol";
import {BlsSigner} from "./base/BlsSigner.sol";
import {HeadraceTest} from "./base/HeadraceTest.sol";
import {vm} from "./base/Vm.sol";
import {Forgetful} from "./mocks/PolicyClients.sol";

contract TaskManagerRespondTest is HeadraceTest {
    function test_RecordsTheHashAndTellsSo() external {
        (Task memory asked, TaskResponse memory response) = _recorded(1);
        bytes memory signature = signed(NOBODY, asked, response);
        vm.expectEmit(address(taskManager));
        emit ITaskManager.TaskResponded(asked.taskId, hashOf(response));
        _respond(asked, response, signature);
        assertAnswered(asked, response);
    }

    function testFuzz_HashesTheWholeResponse(bytes32 policyId, bytes calldata result, uint32 expireBlock)
        external
    {
        (Task memory asked, TaskResponse memory response) = _recorded(1);
        response.policyId = policyId;
        response.evaluationResult = result;
        response.expireBlock = expireBlock < blockNow() ? blockNow() : expireBlock;
        _respond(asked, response, signed(NOBODY, asked, response));
        assertAnswered(asked, response);
    }

    function test_TheHashDoesNotDependOnWhoSigned() external {
        (Task memory asked, TaskResponse memory response) = _recorded(1);
        _respond(asked, response, signed(1 << 3 | 1 << 2, asked, response));
        assertAnswered(asked, response);
    }

    function test_RefusesACallerThatIsNoTaskGenerator() external {
        (Task memory asked, TaskResponse memory response) = _recorded(1);
        vm.expectRevert(abi.encodeWithSelector(ITaskManager.OnlyTaskGenerator.selector));
        vm.prank(STRANGER);
        taskManager.respondToTask(asked, response, "");
    }

    function test_RefusesAnAnsweredTask() external {
        (Task memory asked, TaskResponse memory response) = _recorded(1);
        bytes memory signature = signed(NOBODY, asked, response);
        _respond(asked, response, signature);
        bytes memory refusal = abi.encodeWithSelector(ITaskManager.TaskAlreadyResponded.selector, hashOf(response));
        _expectRefused(asked, response, signature, refusal);
        asked.initializationTimestamp = 5; // looked at before the task itself
        response.evaluationResult = hex"00";
        _expectRefused(asked, response, signature, refusal);
    }

    function test_RefusesATaskThatIsNotOnRecord() external {
        Task memory asked = task(1);
        TaskResponse memory response = responseTo(asked);
        bytes memory signature = signed(NOBODY, asked, response);
        _expectRefused(
            asked,
            response,
            signature,
            abi.encodeWithSelector(ITaskManager.TaskMismatch.selector, bytes32(0), hashOf(asked))
        );
    }

    function testFuzz_RefusesAnotherTaskOfTheSameId(uint32 threshold, bytes calldata wasmArgs) external {
        (Task memory asked,) = _recorded(1);
        bytes32 recorded = hashOf(asked);
        asked.quorumThresholdPercentage = threshold;
        asked.wasmArgs = wasmArgs;
        if (hashOf(asked) == recorded) return;
        TaskResponse memory response = responseTo(asked);
        bytes memory signature = signed(NOBODY, asked, response);
        response.taskId = 0; // looked at later
        _expectRefused(
            asked,
            response,
            signature,
            abi.encodeWithSelector(ITaskManager.TaskMismatch.selector, recorded, hashOf(asked))
        );
    }

    function test_RefusesAResponseToSomethingElse() external {
        bytes memory refusal = abi.encodeWithSelector(ITaskManager.TaskResponseMismatch.selector);
        (Task memory asked, TaskResponse memory response) = _recorded(1);
        response.taskId = bytes32(uint256(1));
        response.expireBlock = 0; // looked at later
        _expectRefused(asked, response, "", refusal);
        response = responseTo(asked);
        response.policyClient = STRANGER;
        _expectRefused(asked, response, "", refusal);
        response = responseTo(asked);
        response.intentHash = bytes32(uint256(1));
        _expectRefused(asked, response, "", refusal);
    }

    function test_TheResponseWindow() external {
        (Task memory asked, TaskResponse memory response) = _recorded(1);
        response.expireBlock = type(uint32).max;
        bytes memory signature = signed(NOBODY, asked, response);
        vm.roll(asked.taskCreatedBlock + 128);
        _expectRefused(
            asked,
            response,
            signature,
            abi.encodeWithSelector(
                ITaskManager.TaskResponseTooLate.selector,
                asked.taskCreatedBlock,
                uint32(128),
                asked.taskCreatedBlock + 128
            )
        );
        vm.roll(asked.taskCreatedBlock + 127);
        _respond(asked, response, signature);
        assertAnswered(asked, response);
    }

    function test_TheExpireBlock() external {
        (Task memory asked, TaskResponse memory response) = _recorded(1);
        bytes memory signature = signed(NOBODY, asked, response);
        vm.roll(response.expireBlock + 1);
        _expectRefused(
            asked,
            response,
            signature,
            abi.encodeWithSelector(
                ITaskManager.TaskResponseExpired.selector, response.expireBlock, response.expireBlock + 1
            )
        );
        vm.roll(response.expireBlock);
        _respond(asked, response, signature);
        assertAnswered(asked, response);
    }

    function test_ThePolicyIsTheClients() external {
        Task memory asked = task(1);
        asked.policyClient = newPolicyClient(keccak256("theirs"));
        _create(asked);
        TaskResponse memory response = responseTo(asked);
        bytes memory refusal =
            abi.encodeWithSelector(ITaskManager.PolicyMismatch.selector, keccak256("theirs"), response.policyId);
        _expectRefused(asked, response, "", refusal);
        response.policyId = keccak256("theirs");
        _respond(asked, response, signed(NOBODY, asked, response));
        assertAnswered(asked, response);
    }

    function test_RefusesAClientThatStoppedAnswering() external {
        Task memory asked = task(1);
        Forgetful client = new Forgetful(bytes32(uint256(7)));
        asked.policyClient = address(client);
        _create(asked);
        client.forget();
        TaskResponse memory response = responseTo(asked);
        bytes memory signature = signed(NOBODY, asked, response);
        _expectRefused(asked, response, signature, _error(ITaskManager.InterfaceNotSupported.selector));
    }

    function testFuzz_RefusesSignatureDataOfAnotherLength(bytes calldata signatureData) external {
        if (signatureData.length == 128) return;
        (Task memory asked, TaskResponse memory response) = _recorded(1);
        _expectRefused(
            asked,
            response,
            signatureData,
            abi.encodeWithSelector(ITaskManager.InvalidSignatureLength.selector, signatureData.length)
        );
    }

    function test_RefusesANonSignerWhoWasNotThere() external {
        (Task memory asked, TaskResponse memory response) = _recorded(1);
        bytes memory signature = signed(1 << 4, asked, response);
        _expectRefused(
            asked, response, signature, abi.encodeWithSelector(IQuorumErrors.InvalidNonSigner.selector, 4)
        );
    }

    function testFuzz_TheThreshold(uint256 bitmap, uint32 percentage) external {
        bitmap &= 15;
        Task memory asked = task(1);
        asked.quorumThresholdPercentage = 1 + percentage % 100;
        _create(asked);
        uint256 share; // the stakes are percents of their sum
        for (uint256 i; i < OPERATORS; ++i) {
            if (bitmap >> i & 1 == 0) share += stakeOf(i) / 1 ether;
        }
        TaskResponse memory response = responseTo(asked);
        bytes memory signature = signed(bitmap, asked, response);
        if (share >= asked.quorumThresholdPercentage) {
            _respond(asked, response, signature);
            assertAnswered(asked, response);
        } else {
            _expectRefused(asked, response, signature, _error(ITaskManager.InsufficientQuorumStake.selector));
        }
    }

    function test_TheThreshold_ExactlyIsEnough() external {
        Task memory asked = task(1);
        asked.quorumThresholdPercentage = 70;
        _create(asked);
        TaskResponse memory response = responseTo(asked);
        _respond(asked, response, signed(1 << 1, asked, response)); // 30 of 100 missing
        Task memory higher = task(2);
        higher.quorumThresholdPercentage = 71;
        _create(higher);
        response = responseTo(higher);
        bytes memory signature = signed(1 << 1, higher, response);
        _expectRefused(higher, response, signature, _error(ITaskManager.InsufficientQuorumStake.selector));
    }

    function test_NobodySignedIsNoQuorum() external {
        Task memory asked = task(1);
        asked.quorumThresholdPercentage = 1;
        _create(asked);
        TaskResponse memory response = responseTo(asked);
        bytes memory signature = bytes.concat(new bytes(96), bytes32(uint256(15)));
        _expectRefused(asked, response, signature, _error(ITaskManager.InsufficientQuorumStake.selector));
    }

    function testFuzz_RefusesAFlippedBit(uint256 bit) external {
        bit = bit % 768;
        (Task memory asked, TaskResponse memory response) = _recorded(1);
        bytes memory signature = signed(NOBODY, asked, response);
        signature[bit / 8] ^= bytes1(uint8(1 << (bit % 8)));
        _expectRefused(asked, response, signature, _error(ITaskManager.InvalidBLSSignature.selector));
    }

    function test_RefusesWhoClaimsThatMoreSigned() external {
        (Task memory asked, TaskResponse memory response) = _recorded(1);
        bytes memory signature = signed(1 << 3, asked, response);
        for (uint256 i = 96; i < 128; ++i) {
            signature[i] = 0;
        }
        _expectRefused(asked, response, signature, _error(ITaskManager.InvalidBLSSignature.selector));
    }

    function test_RefusesInfinityAsASignature() external {
        (Task memory asked, TaskResponse memory response) = _recorded(1);
        _expectRefused(asked, response, new bytes(128), _error(ITaskManager.InvalidBLSSignature.selector));
    }

    function test_AttestationDigest_IsTheDocumentedHash() external view {
        Task memory asked = task(1);
        TaskResponse memory response = responseTo(asked);
        bytes32 expected = keccak256(
            abi.encode(
                keccak256(
                    "HeadraceAttestation(uint256 chainId,address taskManager,bytes32 taskHash,bytes32 responseHash)"
                ),
                block.chainid,
                address(taskManager),
                hashOf(asked),
                hashOf(response)
            )
        );
        vm.assertEq(taskManager.attestationDigest(asked, response), expected, "the digest");
    }

    function test_TheSignatureBindsChainAndContract() external {
        (Task memory asked, TaskResponse memory response) = _recorded(1);
        bytes memory signature = signed(NOBODY, asked, response);
        bytes memory refusal = _error(ITaskManager.InvalidBLSSignature.selector);

        TaskManager elsewhere = newTaskManager();
        vm.prank(GENERATOR);
        elsewhere.createNewTask(asked);
        vm.expectRevert(refusal);
        vm.prank(GENERATOR);
        elsewhere.respondToTask(asked, response, signature);

        vm.chainId(999);
        _expectRefused(asked, response, signature, refusal);
    }

    function test_TheSignatureBindsTaskAndResponse() external {
        (Task memory asked, TaskResponse memory response) = _recorded(1);
        bytes memory signature = signed(NOBODY, asked, response);
        bytes memory refusal = _error(ITaskManager.InvalidBLSSignature.selector);
        response.evaluationResult = hex"00";
        _expectRefused(asked, response, signature, refusal);

        // A certificate for a threshold of 67 is none for the same task with a threshold of 1.
        Task memory easier = task(2);
        TaskResponse memory answer = responseTo(easier);
        bytes memory certificate = signed(NOBODY, easier, answer);
        easier.quorumThresholdPercentage = 1;
        _create(easier);
        _expectRefused(easier, answer, certificate, refusal);
    }

    function test_TheQuorumIsThatOfTheReferenceBlock() external {
        (Task memory asked, TaskResponse memory response) = _recorded(1);
        vm.prank(OWNER);
        registry.removeOperator(operator(0));
        register(4);
        mine(3);
        _respond(asked, response, signed(NOBODY, asked, response));
        assertAnswered(asked, response);

        // And one created since then answers to the new quorum: 1, 2, 3 and 4.
        Task memory later = task(2);
        _create(later);
        response = responseTo(later);
        bytes memory oldQuorum = signed(NOBODY, later, response);
        _expectRefused(later, response, oldQuorum, _error(ITaskManager.InvalidBLSSignature.selector));
        bytes memory newQuorum = signedBy(5, 1, later, response);
        for (uint256 i = 96; i < 128; ++i) {
            newQuorum[i] = 0; // nobody of the new quorum is missing
        }
        _respond(later, response, newQuorum);
        assertAnswered(later, response);
    }

    function test_RefusesWhenThereWereNoOperators() external {
        for (uint256 i; i < OPERATORS; ++i) {
            vm.prank(OWNER);
            registry.removeOperator(operator(i));
        }
        mine(1);
        (Task memory asked, TaskResponse memory response) = _recorded(1);
        _expectRefused(
            asked,
            response,
            new bytes(128),
            abi.encodeWithSelector(IQuorumErrors.NoOperatorsAt.selector, asked.taskCreatedBlock)
        );
    }

    function test_CreateAndRespond_DoesBoth() external {
        Task memory asked = task(1);
        TaskResponse memory response = responseTo(asked);
        bytes memory signature = signed(NOBODY, asked, response);
        vm.expectEmit(address(taskManager));
        emit ITaskManager.NewTaskCreated(asked.taskId, hashOf(asked), CLIENT);
        vm.expectEmit(address(taskManager));
        emit ITaskManager.TaskResponded(asked.taskId, hashOf(response));
        vm.prank(GENERATOR);
        taskManager.createAndRespondToTask(asked, response, signature);
        assertAnswered(asked, response);
    }

    function test_CreateAndRespond_RefusesWhatEitherRefuses() external {
        Task memory asked = task(1);
        TaskResponse memory response = responseTo(asked);
        bytes memory signature = signed(NOBODY, asked, response);

        vm.expectRevert(_error(ITaskManager.OnlyTaskGenerator.selector));
        vm.prank(STRANGER);
        taskManager.createAndRespondToTask(asked, response, signature);

        signature[0] ^= 0x01;
        vm.expectRevert(_error(ITaskManager.InvalidBLSSignature.selector));
        vm.prank(GENERATOR);
        taskManager.createAndRespondToTask(asked, response, signature);
        assertNotRecorded(asked);

        _create(asked);
        signature[0] ^= 0x01;
        vm.expectRevert(abi.encodeWithSelector(ITaskManager.TaskAlreadyExists.selector, hashOf(asked)));
        vm.prank(GENERATOR);
        taskManager.createAndRespondToTask(asked, response, signature);
        assertNotAnswered(asked);
    }

    function testFuzz_WhenGasIsShort_AGoodSignatureIsNeverCalledBad(uint256 gasGiven) external {
        Task memory asked = task(1);
        TaskResponse memory response = responseTo(asked);
        bytes memory signature = signed(NOBODY, asked, response);
        vm.prank(GENERATOR);
        try taskManager.createAndRespondToTask{gas: gasGiven % 300_000}(asked, response, signature) {
            assertAnswered(asked, response);
        } catch (bytes memory reason) {
            vm.assertEq(reason.length, 0, "running out of gas says nothing");
        }
    }

    function _recorded(uint256 number) private returns (Task memory asked, TaskResponse memory response) {
        asked = task(number);
        _create(asked);
        response = responseTo(asked);
    }

    function _create(Task memory asked) private {
        vm.prank(GENERATOR);
        taskManager.createNewTask(asked);
    }

    function _respond(Task memory asked, TaskResponse memory response, bytes memory signature) private {
        vm.prank(GENERATOR);
        taskManager.respondToTask(asked, response, signature);
    }

    function _expectRefused(
        Task memory asked,
        TaskResponse memory response,
        bytes memory signature,
        bytes memory why
    ) private {
        vm.expectRevert(why);
        vm.prank(GENERATOR);
        taskManager.respondToTask(asked, response, signature);
    }

    function _error(bytes4 selector) private pure returns (bytes memory) {
        return abi.encodeWithSelector(selector);
    }
}
