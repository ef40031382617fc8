// SPDX-License-Identifier: Apache-2.0
pragma solidity 0.8.37;

import {IEscrow} from "../src/interfaces/IEscrow.sol";
import {IERC20} from "../src/interfaces/IERC20.sol";
import {Claims, EscrowTest} from "./base/EscrowTest.sol";
import {Vm, vm} from "./base/Vm.sol";

/// @notice Gas is that of whole transactions.
/// forge-config: default.isolate = true
contract EscrowBatchesTest is EscrowTest {
    uint256 private constant MANY = 1_000;
    uint256 private constant LOCKED = 9_000_000;
    uint256 private constant CLAIMED = 6_123_457;

    /// @dev What a transaction may use, and of what it uses up to a fifth is given back afterwards.
    uint256 private constant TRANSACTION_GAS_MAX = 2 ** 24;
    /// @dev 128 KiB, without what is around the calldata.
    uint256 private constant CALLDATA_MAX = 131_072 - 256;

    function test_AThousandClaims_LastFirst() external {
        _claimAThousand("the last first", 2, MANY / 2, 1, MANY / 2);
    }

    function test_AThousandClaims_FirstFirst() external {
        _claimAThousand("the first first", 4, 0, 1, MANY / 4);
    }

    function test_AThousandClaims_EveryFourth() external {
        _claimAThousand("every fourth", 4, 0, 4, 1);
    }

    function test_InABatchItCostsAtMostHalf() external {
        _prepare(251);
        claim(250, CLAIMED);
        uint256 alone = vm.snapshotGasLastCall("Escrow", "claim, one of 251");
        Claims memory batch = claimsOf(0, 250, CLAIMED);
        claimMany(batch);
        uint256 together = vm.snapshotGasLastCall("Escrow", "claim, 250 of 250") / 250;
        vm.assertLe(2 * together, alone, "half");
    }

    function test_TheCollectorSeesOneTransfer() external {
        _prepare(5);
        Claims memory batch = claimsOf(0, 5, CLAIMED);
        vm.recordLogs();
        claimMany(batch);
        Vm.Log[] memory logs = vm.getRecordedLogs();
        uint256 transfers;
        for (uint256 i; i < logs.length; ++i) {
            if (logs[i].topics[0] == IERC20.Transfer.selector) ++transfers;
        }
        vm.assertEq(transfers, 1, "one transfer");
        vm.assertEq(usd.balanceOf(COLLECTOR), 1 + 5 * (CLAIMED / 1_000), "of the sum");
    }

    function test_FindingOneCostsTheSameAmongMany() external {
        _prepare(3);
        claim(1, CLAIMED);
        uint256 amongFew = vm.snapshotGasLastCall("Escrow", "claim, one of 3");
        enroll(3, MANY);
        for (uint256 first = 3; first < MANY; first += 125) {
            lockMany(first, 125, LOCKED);
        }
        claim(MANY / 2, CLAIMED);
        uint256 amongMany = vm.snapshotGasLastCall("Escrow", "claim, one of a thousand");
        vm.assertLe(amongMany, amongFew + 500, "a bit of memory more");
    }

    function test_AnAccountHolds128Bits() external {
        enroll(1, 1);
        lock(1, 100);
        uint256 room = type(uint128).max - DEPOSITED;
        depositFor(payer(1), usd, room);
        vm.prank(payer(1));
        usd.approve(address(escrow), type(uint256).max);
        expectRefusal("Balance exceeds 128 bits");
        vm.prank(payer(1));
        escrow.deposit(address(usd), 1);
        claim(1, 0); // there is room for what comes back
        assertFunds(payer(1), usd, type(uint128).max, 0);
        expectRefusal("Balance exceeds 128 bits");
        vm.prank(payer(1));
        escrow.deposit(address(usd), type(uint256).max);
    }

    function test_ALockEndsWithin64Bits() external {
        enroll(1, 1);
        vm.prank(payer(1));
        escrow.authorize(address(usd), PAYEE, type(uint256).max, type(uint256).max, 1);
        uint256[2] memory tooLong = [type(uint64).max - START_TIME + 1, type(uint256).max];
        for (uint256 i; i < 2; ++i) {
            expectRefusal("Expiry too high");
            vm.prank(PAYEE);
            escrow.createLock(1, address(usd), payer(1), 1, tooLong[i]);
        }
        vm.prank(PAYEE);
        escrow.createLock(1, address(usd), payer(1), 1, type(uint64).max - START_TIME);
        vm.assertEq(locksOfPayee()[0].expiry, type(uint64).max, "as late as it can be");
    }

    /// @dev In equal parts. Each takes every `step`th lock from where it starts, and the next one starts `apart` from
    /// there, round the end.
    function _claimAThousand(string memory how, uint256 transactions, uint256 start, uint256 step, uint256 apart)
        private
    {
        _prepare(MANY);
        uint256 sum;
        for (uint256 i; i < transactions; ++i) {
            Claims memory batch = _everyNth(MANY / transactions, start + i * apart, step);
            bytes memory call = abi.encodeCall(
                IEscrow.claimLocks, (batch.jobIds, batch.tokens, batch.payers, batch.amounts, batch.proofs)
            );
            vm.assertLe(call.length, CALLDATA_MAX, "bytes");
            claimMany(batch);
            string memory name = string.concat("a thousand claims, ", how, ": transaction ");
            uint256 gas = vm.snapshotGasLastCall(
                "Escrow", string.concat(name, string(abi.encodePacked(bytes1(uint8(49 + i)))))
            );
            vm.assertLe(gas, TRANSACTION_GAS_MAX * 4 / 5, "gas");
            sum += gas;
        }
        vm.snapshotValue("Escrow", string.concat("a thousand claims, ", how, ": each"), sum / MANY);
        vm.assertEq(locksOfPayee().length, 0, "all");
        assertFunds(PAYEE, usd, MANY * (CLAIMED - CLAIMED / 1_000) + 1, 0);
    }

    function _everyNth(uint256 count, uint256 start, uint256 step) private view returns (Claims memory batch) {
        batch = claimsOf(0, count, CLAIMED);
        for (uint256 i; i < count; ++i) {
            uint256 number = (start + step * i) % MANY;
            (batch.jobIds[i], batch.payers[i], batch.proofs[i]) = (job(number), payer(number), proof(number));
        }
    }

    function _prepare(uint256 count) private {
        depositFor(PAYEE, usd, 1);
        usd.mint(COLLECTOR, 1);
        enroll(0, count);
        for (uint256 first; first < count; first += 125) {
            lockMany(first, count - first < 125 ? count - first : 125, LOCKED);
        }
    }
}
