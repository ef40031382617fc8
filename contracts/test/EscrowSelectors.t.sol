// SPDX-License-Identifier: Apache-2.0
pragma solidity 0.8.37;

import {IEscrow} from "../src/interfaces/IEscrow.sol";
import {IFeeRouter} from "../src/interfaces/IFeeRouter.sol";
import {EscrowAuth, EscrowFunds, EscrowLock} from "../src/types/EscrowTypes.sol";
import {vm} from "./base/Vm.sol";

/// @notice What speaks to the escrows that are deployed out there can speak to ours.
contract EscrowSelectorsTest {
    function test_FunctionsKeepTheirSelectors() external pure {
        _assert(IEscrow.deposit.selector, "deposit(address,uint256)");
        _assert(IEscrow.depositMultiple.selector, "depositMultiple(address[],uint256[])");
        _assert(
            IEscrow.depositWithPermit.selector, "depositWithPermit(address,uint256,uint256,uint8,bytes32,bytes32)"
        );
        _assert(IEscrow.withdraw.selector, "withdraw(address[],uint256[])");
        _assert(IEscrow.authorize.selector, "authorize(address,address,uint256,uint256,uint256)");
        _assert(
            IEscrow.authorizeMultiple.selector,
            "authorizeMultiple(address[],address[],uint256[],uint256[],uint256[])"
        );
        _assert(IEscrow.createLock.selector, "createLock(uint256,address,address,uint256,uint256)");
        _assert(IEscrow.createLocks.selector, "createLocks(uint256[],address[],address[],uint256[],uint256[])");
        _assert(IEscrow.claimLock.selector, "claimLock(uint256,address,address,uint256,bytes)");
        _assert(IEscrow.claimLocks.selector, "claimLocks(uint256[],address[],address[],uint256[],bytes[])");
        _assert(
            IEscrow.claimLockAndWithdraw.selector, "claimLockAndWithdraw(uint256,address,address,uint256,bytes)"
        );
        _assert(
            IEscrow.claimLocksAndWithdraw.selector,
            "claimLocksAndWithdraw(uint256[],address[],address[],uint256[],bytes[])"
        );
        _assert(IEscrow.cancelExpiredLock.selector, "cancelExpiredLock(uint256,address,address,address)");
        _assert(IEscrow.cancelExpiredLocks.selector, "cancelExpiredLocks(uint256[],address[],address[],address[])");
        _assert(IEscrow.getFunds.selector, "getFunds(address)");
        _assert(IEscrow.getUserFunds.selector, "getUserFunds(address,address)");
        _assert(IEscrow.getUserTokens.selector, "getUserTokens(address)");
        _assert(IEscrow.getLocks.selector, "getLocks(address,address,address)");
        _assert(IEscrow.getAuthorizations.selector, "getAuthorizations(address,address,address)");
        _assert(IFeeRouter.getOPCFee.selector, "getOPCFee(address)");
        _assert(IFeeRouter.getOPCCollector.selector, "getOPCCollector()");
    }

    function test_EventsKeepTheirTopics() external pure {
        vm.assertEq(IEscrow.Deposit.selector, keccak256("Deposit(address,address,uint256)"), "deposit");
        vm.assertEq(IEscrow.Withdraw.selector, keccak256("Withdraw(address,address,uint256)"), "withdraw");
        vm.assertEq(IEscrow.Auth.selector, keccak256("Auth(address,address,uint256,uint256,uint256)"), "auth");
        vm.assertEq(
            IEscrow.Lock.selector, keccak256("Lock(address,address,uint256,uint256,uint256,address)"), "lock"
        );
        vm.assertEq(
            IEscrow.Claimed.selector,
            keccak256("Claimed(address,uint256,address,address,uint256,bytes)"),
            "claimed"
        );
        vm.assertEq(
            IEscrow.Canceled.selector, keccak256("Canceled(address,uint256,address,address,uint256)"), "canceled"
        );
    }

    function test_StructsKeepTheirLayout() external pure {
        vm.assertEq(abi.encode(EscrowFunds({available: 1, locked: 2})), abi.encode(1, 2), "funds");
        vm.assertEq(
            abi.encode(EscrowLock({jobId: 1, payer: address(2), amount: 3, expiry: 4, token: address(5)})),
            abi.encode(1, 2, 3, 4, 5),
            "lock"
        );
        vm.assertEq(
            abi.encode(
                EscrowAuth({
                    payee: address(1),
                    maxLockedAmount: 2,
                    currentLockedAmount: 3,
                    maxLockSeconds: 4,
                    maxLockCounts: 5,
                    currentLocks: 6
                })
            ),
            abi.encode(1, 2, 3, 4, 5, 6),
            "auth"
        );
    }

    function _assert(bytes4 selector, string memory signature) private pure {
        vm.assertEq(bytes32(selector), bytes32(bytes4(keccak256(bytes(signature)))), signature);
    }
}
