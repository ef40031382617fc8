// SPDX-License-Identifier: Apache-2.0
pragma solidity 0.8.37;

import {Claims, EscrowTest} from "./base/EscrowTest.sol";
import {vm} from "./base/Vm.sol";

/// @notice What an escrow costs, as whole transactions (base cost and calldata included). Every lock has another payer,
/// the payee has been paid before, the fee is not zero. The figures are in snapshots/.
abstract contract EscrowGas is EscrowTest {
    uint256 internal constant LOCKED = 9_000_000;
    uint256 internal constant CLAIMED = 6_123_457;

    /// @dev Jobs and payers from here on are for what must have happened before.
    uint256 private constant EARLIER = 1_000_000;

    function test_Create() external {
        _beforehand();
        uint256[] memory sizes = _sizes();
        uint256 first;
        for (uint256 i; i < sizes.length; ++i) {
            enroll(first, sizes[i]);
            if (sizes[i] == 1) lock(first, LOCKED);
            else lockMany(first, sizes[i], LOCKED);
            _snapshot("create", sizes[i]);
            first += sizes[i];
        }
    }

    function test_Create_WhereLocksOnceWere() external {
        _beforehand();
        enroll(0, 100);
        lockMany(0, 50, LOCKED);
        claimMany(claimsOf(0, 50, CLAIMED));
        lockMany(50, 50, LOCKED);
        _snapshot("create where locks once were", 50);
    }

    function test_Claim() external {
        _beforehand();
        uint256[] memory sizes = _sizes();
        uint256 first;
        for (uint256 i; i < sizes.length; ++i) {
            _lockEach(first, sizes[i]);
            if (sizes[i] == 1) claim(first, CLAIMED);
            else claimMany(_soonestFound(claimsOf(first, sizes[i], CLAIMED)));
            _snapshot("claim", sizes[i]);
            vm.assertEq(locksOfPayee().length, 0, "claimed");
            first += sizes[i];
        }
    }

    function test_ClaimAndWithdraw() external {
        _beforehand();
        _lockEach(0, 50);
        Claims memory batch = _soonestFound(claimsOf(0, 50, CLAIMED));
        vm.prank(PAYEE);
        escrow.claimLocksAndWithdraw(batch.jobIds, batch.tokens, batch.payers, batch.amounts, batch.proofs);
        _snapshot("claim and withdraw", 50);
    }

    function test_Cancel() external {
        _beforehand();
        uint256[] memory sizes = _sizes();
        uint256 first;
        for (uint256 i; i < sizes.length; ++i) {
            _lockEach(first, sizes[i]);
            vm.warp(timeNow() + LOCK_SECONDS + 1);
            Claims memory batch = claimsOf(first, sizes[i], 0);
            address[] memory payees = new address[](sizes[i]);
            for (uint256 item; item < payees.length; ++item) {
                payees[item] = PAYEE;
            }
            if (sizes[i] == 1) cancel(first);
            else escrow.cancelExpiredLocks(batch.jobIds, batch.tokens, batch.payers, payees);
            _snapshot("cancel", sizes[i]);
            vm.assertEq(locksOfPayee().length, 0, "cancelled");
            first += sizes[i];
        }
    }

    function _sizes() internal pure virtual returns (uint256[] memory sizes);

    /// @dev The order in which this contract finds these locks soonest, where they are all there are.
    function _soonestFound(Claims memory batch) internal pure virtual returns (Claims memory) {
        return batch;
    }

    function _lockEach(uint256 first, uint256 count) internal {
        enroll(first, count);
        for (uint256 i = first; i < first + count; i += 50) {
            lockMany(i, first + count - i < 50 ? first + count - i : 50, LOCKED);
        }
    }

    function _beforehand() internal {
        enroll(EARLIER, 1);
        depositFor(PAYEE, usd, 1);
        usd.mint(COLLECTOR, 1);
        lock(EARLIER, LOCKED);
        claim(EARLIER, CLAIMED);
    }

    function _snapshot(string memory what, uint256 size) internal {
        string memory items = string.concat(what, ": ", _text(size), size == 1 ? " lock" : " locks");
        uint256 each = vm.snapshotGasLastCall(escrowName(), items) / size;
        if (size != 1) vm.snapshotValue(escrowName(), string.concat(items, ", each"), each);
    }

    function _text(uint256 number) private pure returns (string memory) {
        bytes memory digits;
        for (; number != 0; number /= 10) {
            digits = bytes.concat(bytes1(uint8(48 + number % 10)), digits);
        }
        return string(digits);
    }
}

/// forge-config: default.isolate = true
contract EscrowGasTest is EscrowGas {
    function _sizes() internal pure override returns (uint256[] memory sizes) {
        sizes = new uint256[](5);
        (sizes[0], sizes[1], sizes[2], sizes[3], sizes[4]) = (1, 10, 50, 200, 250);
    }
}

/// forge-config: default.isolate = true
contract LinearEscrowGasTest is EscrowGas {
    function escrowName() internal pure override returns (string memory) {
        return "LinearEscrow";
    }

    /// @dev A claim swaps the last lock into its place: found at the first place, each costs one look.
    function _soonestFound(Claims memory batch) internal pure override returns (Claims memory) {
        for (uint256 i = 1; i < batch.jobIds.length - i; ++i) {
            uint256 other = batch.jobIds.length - i;
            (batch.jobIds[i], batch.jobIds[other]) = (batch.jobIds[other], batch.jobIds[i]);
            (batch.payers[i], batch.payers[other]) = (batch.payers[other], batch.payers[i]);
            (batch.proofs[i], batch.proofs[other]) = (batch.proofs[other], batch.proofs[i]);
        }
        return batch;
    }

    function _sizes() internal pure override returns (uint256[] memory sizes) {
        sizes = new uint256[](3);
        (sizes[0], sizes[1], sizes[2]) = (1, 10, 50);
    }

    function test_Claim_AsManyAsFit() external {
        _beforehand();
        _lockEach(0, 200);
        claimMany(_soonestFound(claimsOf(0, 200, CLAIMED)));
        _snapshot("claim", 200);
    }

    function test_Claim_InTheOrderOfTheList() external {
        _beforehand();
        _lockEach(0, 200);
        claimMany(claimsOf(0, 200, CLAIMED));
        _snapshot("claim in the order of the list", 200);
    }
}
