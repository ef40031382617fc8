// SPDX-License-Identifier: Apache-2.0
pragma solidity 0.8.37;

import {IEscrow} from "../src/interfaces/IEscrow.sol";
import {EscrowAuth, EscrowLock} from "../src/types/EscrowTypes.sol";
import {Claims, EscrowTest} from "./base/EscrowTest.sol";
import {Vm, vm} from "./base/Vm.sol";

contract EscrowClaimsTest is EscrowTest {
    uint256 private constant LOCKED = 1_000_000;

    function setUp() public override {
        super.setUp();
        enroll(1, 12);
    }

    function testFuzz_Claim_PaysAndGivesBack(uint256 lockedAmount, uint256 amount, uint256 fee) external {
        lockedAmount = 1 + lockedAmount % DEPOSITED;
        amount = amount % (lockedAmount + 1);
        fee = fee % (1e18 + 1);
        router.set(fee, COLLECTOR);
        lock(1, lockedAmount);
        vm.expectEmit(address(escrow));
        emit IEscrow.Claimed(PAYEE, job(1), address(usd), payer(1), amount, proof(1));
        claim(1, amount);
        uint256 kept = amount * fee / 1e18;
        vm.assertEq(usd.balanceOf(COLLECTOR), kept, "fee");
        assertFunds(PAYEE, usd, amount - kept, 0);
        assertFunds(payer(1), usd, DEPOSITED - amount, 0);
        EscrowAuth memory auth = authOf(payer(1), usd, PAYEE);
        vm.assertEq(auth.currentLockedAmount + auth.currentLocks, 0, "not in use any more");
        vm.assertEq(locksOfPayee().length, 0, "no lock");
    }

    function test_Claim_AFixedCollectorGetsTheFee() external {
        escrow = newEscrow(escrowName(), STRANGER);
        enroll(1, 1);
        lock(1, LOCKED);
        claim(1, LOCKED);
        vm.assertEq(usd.balanceOf(STRANGER), LOCKED / 1_000, "fee");
        vm.assertEq(usd.balanceOf(COLLECTOR), 0, "not whom the router says");
    }

    function test_Claim_OfNothingGivesAllBackAtOnce() external {
        lock(1, LOCKED);
        vm.expectEmit(address(escrow));
        emit IEscrow.Claimed(PAYEE, job(1), address(usd), payer(1), 0, proof(1));
        claim(1, 0);
        assertFunds(payer(1), usd, DEPOSITED, 0);
        assertFunds(PAYEE, usd, 0, 0);
        vm.assertEq(usd.balanceOf(COLLECTOR), 0, "no fee");
    }

    function test_Claim_AtTheLastSecond() external {
        lock(1, LOCKED);
        vm.warp(START_TIME + LOCK_SECONDS);
        claim(1, LOCKED);
        assertFunds(payer(1), usd, DEPOSITED - LOCKED, 0);
    }

    function test_Claim_OneSecondLaterItIsCancelledInstead() external {
        lock(1, LOCKED);
        vm.warp(START_TIME + LOCK_SECONDS + 1);
        vm.expectEmit(address(escrow));
        emit IEscrow.Canceled(PAYEE, job(1), address(usd), payer(1), LOCKED);
        claim(1, LOCKED + 1); // too much, but nobody asks any more
        assertFunds(payer(1), usd, DEPOSITED, 0);
        assertFunds(PAYEE, usd, 0, 0);
        vm.assertEq(usd.balanceOf(COLLECTOR), 0, "no fee");
        vm.assertEq(authOf(payer(1), usd, PAYEE).currentLocks, 0, "not in use any more");
    }

    function test_Claim_RefusesInThisOrder() external {
        lock(1, LOCKED);
        _refused("Invalid payer", 0, address(0), address(0), LOCKED + 1);
        _refused("Invalid token", 0, address(0), payer(1), LOCKED + 1);
        _refused("Invalid jobId", 0, address(usd), payer(1), LOCKED + 1);
        _refused("Lock not found", job(2), address(usd), payer(1), LOCKED + 1);
        _refused("Lock not found", job(1), address(usd), payer(2), LOCKED + 1);
        _refused("Lock not found", job(1), address(coin), payer(1), LOCKED + 1);
        _refused("Amount too high", job(1), address(usd), payer(1), LOCKED + 1);
        expectRefusal("Lock not found");
        vm.prank(STRANGER);
        escrow.claimLock(job(1), address(usd), payer(1), LOCKED, "");
        claim(1, LOCKED);
        _refused("Lock not found", job(1), address(usd), payer(1), 0);
    }

    function test_ClaimMany_EachAsIfAlone() external {
        lockMany(1, 2, LOCKED);
        vm.warp(START_TIME + LOCK_SECONDS);
        lockMany(3, 2, LOCKED);
        vm.warp(START_TIME + LOCK_SECONDS + 1);
        Claims memory batch = claimsOf(1, 4, LOCKED);
        (batch.amounts[0], batch.amounts[1], batch.amounts[2]) = (1, 2 * LOCKED, 999);
        vm.recordLogs();
        claimMany(batch);
        _assertEvents(vm.getRecordedLogs(), batch);
        assertFunds(payer(1), usd, DEPOSITED, 0);
        assertFunds(payer(2), usd, DEPOSITED, 0);
        assertFunds(payer(3), usd, DEPOSITED - 999, 0);
        assertFunds(payer(4), usd, DEPOSITED - LOCKED, 0);
        vm.assertEq(usd.balanceOf(COLLECTOR), LOCKED / 1_000, "each fee is rounded down by itself");
        assertFunds(PAYEE, usd, LOCKED + 999 - LOCKED / 1_000, 0);
    }

    function test_ClaimMany_TheFirstThatIsRefusedRevertsAll() external {
        lockMany(1, 3, LOCKED);
        Claims memory batch = claimsOf(1, 3, LOCKED);
        batch.amounts[2] += 1;
        _refusedMany("Amount too high", batch);
        batch.jobIds[1] = job(9);
        _refusedMany("Lock not found", batch);
        (batch.jobIds[1], batch.payers[1]) = (batch.jobIds[0], batch.payers[0]);
        _refusedMany("Lock not found", batch); // twice the same
        batch.payers[0] = address(0);
        _refusedMany("Invalid payer", batch);
        vm.assertEq(locksOfPayee().length, 3, "all there");
        assertFunds(PAYEE, usd, 0, 0);
        assertFunds(payer(1), usd, DEPOSITED - LOCKED, LOCKED);
    }

    function testFuzz_ClaimMany_TokensInAnyOrder(uint8 which) external {
        router.setFeeOf(address(coin), 2 * FEE);
        Claims memory batch = claimsOf(1, 8, LOCKED);
        uint256 dollars;
        for (uint256 i; i < 8; ++i) {
            if (which >> i & 1 != 0) {
                (batch.tokens[i], batch.amounts[i]) = (address(usd), 1_999);
                lock(1 + i, LOCKED);
                ++dollars;
                continue;
            }
            (batch.tokens[i], batch.amounts[i]) = (address(coin), 2_999);
            depositFor(payer(1 + i), coin, LOCKED);
            authorizeFor(payer(1 + i), coin, PAYEE);
            vm.prank(PAYEE);
            escrow.createLock(job(1 + i), address(coin), payer(1 + i), LOCKED, LOCK_SECONDS);
        }
        claimMany(batch);
        assertFunds(PAYEE, usd, 1_998 * dollars, 0);
        assertFunds(PAYEE, coin, 2_994 * (8 - dollars), 0);
        vm.assertEq(usd.balanceOf(COLLECTOR), dollars, "fee in dollars");
        vm.assertEq(coin.balanceOf(COLLECTOR), 5 * (8 - dollars), "fee in coins, twice as high");
        vm.assertEq(escrow.getUserTokens(PAYEE).length, which == 0 || which == 255 ? 1 : 2, "tokens of the payee");
    }

    /// @dev Twelve locks. Some are taken out together in an order by chance, some more, then all that is left.
    function testFuzz_ClaimMany_WhatIsLeftCanBeFound(uint16 first, uint16 second, uint256 order) external {
        lockMany(1, 12, LOCKED);
        _claimThose(first & 0xfff, order);
        _assertThere(~first & 0xfff);
        _claimThose(second & ~first & 0xfff, order >> 128);
        _assertThere(~first & ~second & 0xfff);
        _claimThose(~first & ~second & 0xfff, order >> 64);
        vm.assertEq(locksOfPayee().length, 0, "none left");
        lockMany(1, 12, LOCKED); // over what once was there
        _assertThere(0xfff);
    }

    function test_ClaimAndWithdraw_PaysOutAllThatIsAvailable() external {
        depositFor(PAYEE, usd, 50);
        lock(1, LOCKED);
        vm.expectEmit(address(escrow));
        emit IEscrow.Withdraw(PAYEE, address(usd), LOCKED - LOCKED / 1_000 + 50);
        vm.prank(PAYEE);
        escrow.claimLockAndWithdraw(job(1), address(usd), payer(1), LOCKED, proof(1));
        vm.assertEq(usd.balanceOf(PAYEE), LOCKED - LOCKED / 1_000 + 50, "paid out");
        vm.assertEq(escrow.getUserTokens(PAYEE).length, 0, "nothing is left");
    }

    function test_ClaimAndWithdraw_AlsoWhereNothingWasEarned() external {
        lock(1, LOCKED);
        vm.expectEmit(address(escrow));
        emit IEscrow.Withdraw(PAYEE, address(usd), 0);
        vm.prank(PAYEE);
        escrow.claimLockAndWithdraw(job(1), address(usd), payer(1), 0, proof(1));
    }

    function test_ClaimManyAndWithdraw_OfEachTokenOnce() external {
        depositFor(payer(2), coin, LOCKED);
        authorizeFor(payer(2), coin, PAYEE);
        Claims memory batch = claimsOf(1, 3, LOCKED);
        batch.tokens[1] = address(coin);
        lock(1, LOCKED);
        vm.prank(PAYEE);
        escrow.createLock(job(2), address(coin), payer(2), LOCKED, LOCK_SECONDS);
        lock(3, LOCKED);
        vm.recordLogs();
        vm.prank(PAYEE);
        escrow.claimLocksAndWithdraw(batch.jobIds, batch.tokens, batch.payers, batch.amounts, batch.proofs);
        vm.assertEq(_count(vm.getRecordedLogs(), IEscrow.Withdraw.selector), 2, "two withdrawals");
        vm.assertEq(usd.balanceOf(PAYEE), 2 * (LOCKED - LOCKED / 1_000), "dollars");
        vm.assertEq(coin.balanceOf(PAYEE), LOCKED - LOCKED / 1_000, "coins");
    }

    function test_Cancel_AnyoneGivesBack() external {
        lock(1, LOCKED);
        cancel(1);
        vm.warp(START_TIME + LOCK_SECONDS);
        cancel(1);
        vm.assertEq(locksOfPayee().length, 1, "it has not expired");
        vm.warp(START_TIME + LOCK_SECONDS + 1);
        cancel(2);
        vm.prank(STRANGER);
        escrow.cancelExpiredLock(job(1), address(coin), payer(1), PAYEE);
        vm.prank(STRANGER);
        escrow.cancelExpiredLock(job(1), address(usd), payer(1), STRANGER);
        vm.assertEq(locksOfPayee().length, 1, "these are others");
        vm.expectEmit(address(escrow));
        emit IEscrow.Canceled(PAYEE, job(1), address(usd), payer(1), LOCKED);
        cancel(1);
        assertFunds(payer(1), usd, DEPOSITED, 0);
        vm.assertEq(authOf(payer(1), usd, PAYEE).currentLocks, 0, "not in use any more");
        expectRefusal("Invalid payee");
        escrow.cancelExpiredLock(job(1), address(usd), payer(1), address(0));
    }

    function testFuzz_Cancel_WhatIsLeftOutMatchesAll(uint8 given, uint8 expired) external {
        uint256[] memory expirySeconds = new uint256[](8);
        Claims memory batch = claimsOf(0, 8, LOCKED);
        for (uint256 i; i < 8; ++i) {
            batch.jobIds[i] = 100 + (i & 1);
            batch.payers[i] = payer(1 + (i >> 1));
            expirySeconds[i] = expired >> i & 1 != 0 ? 10 : 1_000;
        }
        vm.prank(PAYEE);
        escrow.createLocks(batch.jobIds, batch.tokens, batch.payers, batch.amounts, expirySeconds);
        vm.warp(START_TIME + 11);
        (uint256 jobId, address token, address who) = (
            given & 1 == 0 ? 0 : 100 + (given >> 1 & 1),
            given & 4 == 0 ? address(0) : given & 8 == 0 ? address(usd) : address(coin),
            given & 16 == 0 ? address(0) : payer(1 + (given >> 5 & 3))
        );
        escrow.cancelExpiredLock(jobId, token, who, PAYEE);
        uint256 left;
        for (uint256 i; i < 8; ++i) {
            bool gone = expired >> i & 1 != 0 && (jobId == 0 || jobId == batch.jobIds[i]) && token != address(coin)
                && (who == address(0) || who == batch.payers[i]);
            if (!gone) ++left;
            vm.assertEq(_isThere(batch.jobIds[i], batch.payers[i]) ? 1 : 0, gone ? 0 : 1, "there or gone");
        }
        vm.assertEq(locksOfPayee().length, left, "no others");
    }

    function test_CancelMany_PayeesAndNamesMayBeMixed() external {
        authorizeFor(payer(1), usd, STRANGER);
        lockMany(1, 4, LOCKED);
        vm.prank(STRANGER);
        escrow.createLock(job(1), address(usd), payer(1), LOCKED, LOCK_SECONDS);
        vm.warp(START_TIME + LOCK_SECONDS + 1);
        Claims memory batch = claimsOf(1, 5, 0);
        address[] memory payees = new address[](5);
        (payees[0], payees[1], payees[2], payees[3], payees[4]) = (PAYEE, STRANGER, PAYEE, PAYEE, PAYEE);
        (batch.jobIds[1], batch.payers[1]) = (0, address(0)); // all of the stranger
        (batch.jobIds[3], batch.payers[3]) = (job(1), payer(1)); // gone by then
        (batch.jobIds[4], batch.tokens[4], batch.payers[4]) = (0, address(0), payer(4));
        vm.recordLogs();
        escrow.cancelExpiredLocks(batch.jobIds, batch.tokens, batch.payers, payees);
        vm.assertEq(_count(vm.getRecordedLogs(), IEscrow.Canceled.selector), 4, "four");
        vm.assertEq(escrow.getLocks(address(0), address(0), STRANGER).length, 0, "of the stranger");
        EscrowLock[] memory locks = locksOfPayee();
        vm.assertEq(locks.length, 1, "of the payee");
        vm.assertEq(locks[0].jobId, job(2), "the one that was not named");
        payees[4] = address(0);
        expectRefusal("Invalid payee");
        escrow.cancelExpiredLocks(batch.jobIds, batch.tokens, batch.payers, payees);
    }

    function test_RefusesArraysOfDifferentLength() external {
        for (uint256 wrong; wrong < 4; ++wrong) {
            address[] memory tokens = new address[](wrong == 0 ? 2 : 1);
            address[] memory payers = new address[](wrong == 1 ? 2 : 1);
            uint256[] memory amounts = new uint256[](wrong == 2 ? 0 : 1);
            bytes[] memory proofs = new bytes[](wrong == 3 ? 2 : 1);
            expectRefusal("Invalid input");
            escrow.claimLocks(new uint256[](1), tokens, payers, amounts, proofs);
            expectRefusal("Invalid input");
            escrow.claimLocksAndWithdraw(new uint256[](1), tokens, payers, amounts, proofs);
            if (wrong == 3) continue;
            expectRefusal("Invalid input");
            escrow.cancelExpiredLocks(new uint256[](1), tokens, payers, new address[](wrong == 2 ? 2 : 1));
        }
    }

    function _refused(string memory text, uint256 jobId, address token, address who, uint256 amount) private {
        expectRefusal(text);
        vm.prank(PAYEE);
        escrow.claimLock(jobId, token, who, amount, "");
    }

    function _refusedMany(string memory text, Claims memory batch) private {
        expectRefusal(text);
        claimMany(batch);
    }

    function _claimThose(uint256 which, uint256 order) private {
        uint256[] memory numbers = new uint256[](12);
        uint256 count;
        for (uint256 i; i < 12; ++i) {
            if (which >> i & 1 != 0) numbers[count++] = i;
        }
        Claims memory batch = claimsOf(1, count, 1);
        for (uint256 i; i < count; ++i) {
            uint256 other = i + (order >> (5 * i)) % (count - i);
            (numbers[i], numbers[other]) = (numbers[other], numbers[i]);
            (batch.jobIds[i], batch.payers[i]) = (job(1 + numbers[i]), payer(1 + numbers[i]));
        }
        claimMany(batch);
    }

    function _assertThere(uint256 which) private view {
        uint256 count;
        for (uint256 i; i < 12; ++i) {
            bool there = which >> i & 1 != 0;
            if (there) ++count;
            vm.assertEq(_isThere(job(1 + i), payer(1 + i)) ? 1 : 0, there ? 1 : 0, "in the list");
        }
        vm.assertEq(locksOfPayee().length, count, "and no others");
    }

    function _isThere(uint256 jobId, address who) private view returns (bool) {
        EscrowLock[] memory locks = locksOfPayee();
        for (uint256 i; i < locks.length; ++i) {
            if (locks[i].jobId == jobId && locks[i].payer == who) return locks[i].amount == LOCKED;
        }
        return false;
    }

    /// @dev Two cancels, then two claims, in the order of the items.
    function _assertEvents(Vm.Log[] memory logs, Claims memory batch) private view {
        uint256 next;
        for (uint256 i; i < logs.length; ++i) {
            if (logs[i].emitter != address(escrow)) continue;
            vm.assertEq(
                logs[i].topics[0], next < 2 ? IEscrow.Canceled.selector : IEscrow.Claimed.selector, "which"
            );
            vm.assertEq(logs[i].topics[2], bytes32(uint256(uint160(batch.payers[next]))), "payer");
            vm.assertEq(
                logs[i].data,
                next < 2
                    ? abi.encode(batch.jobIds[next], address(usd), LOCKED)
                    : abi.encode(batch.jobIds[next], address(usd), batch.amounts[next], batch.proofs[next]),
                "data"
            );
            ++next;
        }
        vm.assertEq(next, 4, "four events");
    }

    function _count(Vm.Log[] memory logs, bytes32 topic) private view returns (uint256 count) {
        for (uint256 i; i < logs.length; ++i) {
            if (logs[i].emitter == address(escrow) && logs[i].topics[0] == topic) ++count;
        }
    }
}

contract LinearEscrowClaimsTest is EscrowClaimsTest {
    function escrowName() internal pure override returns (string memory) {
        return "LinearEscrow";
    }
}
