// SPDX-License-Identifier: Apache-2.0
pragma solidity 0.8.37;

import {IEscrow} from "../src/interfaces/IEscrow.sol";
import {EscrowAuth, EscrowLock} from "../src/types/EscrowTypes.sol";
import {Claims, EscrowTest} from "./base/EscrowTest.sol";
import {vm} from "./base/Vm.sol";

contract EscrowLocksTest is EscrowTest {
    function setUp() public override {
        super.setUp();
        enroll(1, 3);
    }

    function testFuzz_Create_SetsFundsAside(uint256 jobId, uint256 amount, uint256 expirySeconds) external {
        if (jobId == 0) jobId = 1;
        amount = 1 + amount % DEPOSITED;
        expirySeconds = expirySeconds % (LOCK_SECONDS + 1);
        vm.expectEmit(address(escrow));
        emit IEscrow.Lock(payer(1), PAYEE, jobId, amount, expirySeconds, address(usd));
        vm.prank(PAYEE);
        escrow.createLock(jobId, address(usd), payer(1), amount, expirySeconds);
        assertFunds(payer(1), usd, DEPOSITED - amount, amount);
        EscrowAuth memory auth = authOf(payer(1), usd, PAYEE);
        vm.assertEq(auth.currentLockedAmount, amount, "in use");
        vm.assertEq(auth.currentLocks, 1, "in use");
        EscrowLock[] memory locks = locksOfPayee();
        vm.assertEq(locks.length, 1, "one lock");
        vm.assertEq(locks[0].jobId, jobId, "jobId");
        vm.assertEq(locks[0].payer, payer(1), "payer");
        vm.assertEq(locks[0].amount, amount, "amount");
        vm.assertEq(locks[0].expiry, timeNow() + expirySeconds, "expiry");
        vm.assertEq(locks[0].token, address(usd), "token");
    }

    /// @dev Each refusal is asked for with everything after it wrong as well.
    function test_Create_RefusesInThisOrder() external {
        _refused("Invalid payer", 0, address(0), address(0), 0, 0);
        _refused("Payeer cannot be payee", 0, address(0), PAYEE, 0, 0);
        _refused("Invalid token", 0, address(0), payer(1), 0, 0);
        _refused("Invalid amount", 0, address(usd), payer(1), 0, 0);
        _refused("Invalid jobId", 0, address(usd), payer(1), DEPOSITED + 1, LOCK_SECONDS + 1);
        _refused("Payer does not have enough funds", 1, address(usd), payer(1), DEPOSITED + 1, LOCK_SECONDS + 1);
        depositFor(payer(9), usd, DEPOSITED);
        _refused("No auth found", 1, address(usd), payer(9), DEPOSITED, LOCK_SECONDS + 1);
        vm.prank(payer(1));
        escrow.authorize(address(usd), PAYEE, 150, LOCK_SECONDS, 1);
        vm.prank(PAYEE);
        escrow.createLock(1, address(usd), payer(1), 100, LOCK_SECONDS);
        _refused("Expiry too high", 1, address(usd), payer(1), 51, LOCK_SECONDS + 1);
        _refused("Exceeds maxLockedAmount", 1, address(usd), payer(1), 51, LOCK_SECONDS);
        _refused("Exceeds maxLockCounts", 1, address(usd), payer(1), 50, LOCK_SECONDS);
        vm.prank(payer(1));
        escrow.authorize(address(usd), PAYEE, 150, LOCK_SECONDS, 2);
        _refused("JobId already exists", 1, address(usd), payer(1), 50, LOCK_SECONDS);
        vm.prank(PAYEE);
        escrow.createLock(2, address(usd), payer(1), 50, LOCK_SECONDS);
    }

    function test_Create_AJobIdIsOfOnePayerAndOnePayee() external {
        depositFor(payer(1), coin, 100);
        authorizeFor(payer(1), coin, PAYEE);
        authorizeFor(payer(1), usd, STRANGER);
        vm.prank(PAYEE);
        escrow.createLock(7, address(usd), payer(1), 10, 60);
        vm.prank(PAYEE);
        escrow.createLock(7, address(usd), payer(2), 10, 60);
        vm.prank(STRANGER);
        escrow.createLock(7, address(usd), payer(1), 10, 60);
        _refused("JobId already exists", 7, address(coin), payer(1), 10, 60);
        vm.assertEq(locksOfPayee().length, 2, "of the payee");
        vm.prank(PAYEE);
        escrow.claimLock(7, address(usd), payer(1), 10, "");
        vm.prank(PAYEE);
        escrow.createLock(7, address(coin), payer(1), 10, 60); // it is free again
    }

    function test_CreateMany_SeesWhatItDidBefore() external {
        Claims memory batch = claimsOf(1, 2, 600_000_000);
        batch.payers[1] = payer(1);
        uint256[] memory expirySeconds = new uint256[](2);
        expectRefusal("Payer does not have enough funds");
        vm.prank(PAYEE);
        escrow.createLocks(batch.jobIds, batch.tokens, batch.payers, batch.amounts, expirySeconds);
        assertFunds(payer(1), usd, DEPOSITED, 0); // nothing, then
        batch.amounts[1] = 1;
        batch.jobIds[1] = batch.jobIds[0];
        expectRefusal("JobId already exists");
        vm.prank(PAYEE);
        escrow.createLocks(batch.jobIds, batch.tokens, batch.payers, batch.amounts, expirySeconds);
        batch.jobIds[1] += 1;
        vm.prank(PAYEE);
        escrow.createLocks(batch.jobIds, batch.tokens, batch.payers, batch.amounts, expirySeconds);
        assertFunds(payer(1), usd, DEPOSITED - 600_000_001, 600_000_001);
        vm.assertEq(locksOfPayee().length, 2, "both");
    }

    function test_Locks_AreFilteredByEither() external {
        depositFor(payer(1), coin, 100);
        authorizeFor(payer(1), coin, PAYEE);
        lockMany(1, 3, 10);
        vm.prank(PAYEE);
        escrow.createLock(job(4), address(coin), payer(1), 10, 60);
        vm.assertEq(_found(address(0), address(0)), 4, "no filter");
        vm.assertEq(_found(address(usd), address(0)), 4, "with one of them missing: all");
        vm.assertEq(_found(address(0), payer(1)), 4, "with one of them missing: all");
        vm.assertEq(_found(address(coin), payer(2)), 2, "this token or this payer");
        vm.assertEq(_found(address(coin), payer(1)), 2, "each once");
        vm.assertEq(_found(address(coin), payer(9)), 1, "this token");
        vm.assertEq(_found(STRANGER, payer(9)), 0, "neither");
        vm.assertEq(escrow.getLocks(address(0), address(0), STRANGER).length, 0, "of another payee");
        expectRefusal("Invalid payee");
        escrow.getLocks(address(usd), payer(1), address(0));
    }

    function test_RefusesArraysOfDifferentLength() external {
        for (uint256 wrong; wrong < 4; ++wrong) {
            address[] memory tokens = new address[](wrong == 0 ? 2 : 1);
            address[] memory payers = new address[](wrong == 1 ? 2 : 1);
            uint256[] memory amounts = new uint256[](wrong == 2 ? 0 : 1);
            uint256[] memory expirySeconds = new uint256[](wrong == 3 ? 2 : 1);
            expectRefusal("Invalid input");
            vm.prank(PAYEE);
            escrow.createLocks(new uint256[](1), tokens, payers, amounts, expirySeconds);
        }
    }

    function _refused(
        string memory text,
        uint256 jobId,
        address token,
        address who,
        uint256 amount,
        uint256 expirySeconds
    ) private {
        expectRefusal(text);
        vm.prank(PAYEE);
        escrow.createLock(jobId, token, who, amount, expirySeconds);
    }

    function _found(address token, address who) private view returns (uint256) {
        return escrow.getLocks(token, who, PAYEE).length;
    }
}

contract LinearEscrowLocksTest is EscrowLocksTest {
    function escrowName() internal pure override returns (string memory) {
        return "LinearEscrow";
    }
}
