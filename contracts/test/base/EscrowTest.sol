// SPDX-License-Identifier: Apache-2.0
pragma solidity 0.8.37;

import {IEscrow} from "../../src/interfaces/IEscrow.sol";
import {TestFeeRouter} from "../../src/testing/TestFeeRouter.sol";
import {TestToken} from "../../src/testing/TestToken.sol";
import {EscrowAuth, EscrowFunds, EscrowLock} from "../../src/types/EscrowTypes.sol";
import {Vm, vm} from "./Vm.sol";

/// @notice The arrays of a batch of claims.
struct Claims {
    uint256[] jobIds;
    address[] tokens;
    address[] payers;
    uint256[] amounts;
    bytes[] proofs;
}

/// @notice What tests of an escrow start from: a fee of 0.1 %, a token with 6 decimals and one with 18, a payee, and
/// payers who have deposited and authorised. What is promised is promised by every escrow: who inherits says of which.
abstract contract EscrowTest {
    uint256 internal constant START_TIME = 1_800_000_000;
    uint256 internal constant FEE = 1e15;
    uint256 internal constant DEPOSITED = 1_000_000_000;
    uint256 internal constant LOCK_SECONDS = 7_200;

    address internal immutable COLLECTOR = address(0xC011EC7);
    address internal immutable PAYEE = address(0x9A1EE);
    address internal immutable STRANGER = address(0xBAD);

    IEscrow internal escrow;
    TestFeeRouter internal router;
    TestToken internal usd; // 6 decimals
    TestToken internal coin; // 18 decimals

    function setUp() public virtual {
        vm.warp(START_TIME);
        router = TestFeeRouter(deploy("TestFeeRouter", abi.encode(FEE, COLLECTOR)));
        usd = newToken("US dollar", 6);
        coin = newToken("Coin", 18);
        escrow = newEscrow(escrowName(), address(0));
    }

    /// @notice The contract that is tested.
    function escrowName() internal pure virtual returns (string memory) {
        return "Escrow";
    }

    function newEscrow(string memory name, address collector) internal returns (IEscrow) {
        return IEscrow(deploy(name, abi.encode(router, collector)));
    }

    function newToken(string memory name, uint8 decimals) internal returns (TestToken) {
        return TestToken(deploy("TestToken", abi.encode(name, name, decimals)));
    }

    /// @dev Not `new`: that would deploy what the compiler makes of it with the quick settings of the tests.
    function deploy(string memory name, bytes memory arguments) internal returns (address) {
        return vm.deployCode(string.concat("out/", name, ".sol/", name, ".json"), arguments);
    }

    /// @dev Not `block.timestamp`: the optimizer takes that for a constant, and these tests move it.
    function timeNow() internal view returns (uint256) {
        return vm.getBlockTimestamp();
    }

    /// @notice Addresses, ids and proofs as they are: without zero bytes to speak of.
    function payer(uint256 number) internal pure returns (address) {
        return address(uint160(uint256(keccak256(abi.encode("payer", number)))));
    }

    function job(uint256 number) internal pure returns (uint256) {
        return uint256(keccak256(abi.encode("job", number)));
    }

    function proof(uint256 number) internal pure returns (bytes memory) {
        return abi.encode(keccak256(abi.encode("proof", number)));
    }

    function depositFor(address who, TestToken token, uint256 amount) internal {
        token.mint(who, amount);
        vm.prank(who);
        token.approve(address(escrow), amount);
        vm.prank(who);
        escrow.deposit(address(token), amount);
    }

    function authorizeFor(address who, TestToken token, address payee) internal {
        vm.prank(who);
        escrow.authorize(address(token), payee, type(uint256).max, LOCK_SECONDS, 1_000);
    }

    /// @notice Payers from `first` on, who can be locked from.
    function enroll(uint256 first, uint256 count) internal {
        for (uint256 i = first; i < first + count; ++i) {
            depositFor(payer(i), usd, DEPOSITED);
            authorizeFor(payer(i), usd, PAYEE);
        }
    }

    function lock(uint256 number, uint256 amount) internal {
        vm.prank(PAYEE);
        escrow.createLock(job(number), address(usd), payer(number), amount, LOCK_SECONDS);
    }

    function claim(uint256 number, uint256 amount) internal {
        vm.prank(PAYEE);
        escrow.claimLock(job(number), address(usd), payer(number), amount, proof(number));
    }

    function cancel(uint256 number) internal {
        vm.prank(STRANGER);
        escrow.cancelExpiredLock(job(number), address(usd), payer(number), PAYEE);
    }

    /// @notice A lock of each payer from `first` on, created together.
    function lockMany(uint256 first, uint256 count, uint256 amount) internal {
        Claims memory batch = claimsOf(first, count, amount);
        uint256[] memory expirySeconds = new uint256[](count);
        for (uint256 i; i < count; ++i) {
            expirySeconds[i] = LOCK_SECONDS;
        }
        vm.prank(PAYEE);
        escrow.createLocks(batch.jobIds, batch.tokens, batch.payers, batch.amounts, expirySeconds);
    }

    function claimsOf(uint256 first, uint256 count, uint256 amount) internal view returns (Claims memory batch) {
        batch.jobIds = new uint256[](count);
        batch.tokens = new address[](count);
        batch.payers = new address[](count);
        batch.amounts = new uint256[](count);
        batch.proofs = new bytes[](count);
        for (uint256 i; i < count; ++i) {
            batch.jobIds[i] = job(first + i);
            batch.tokens[i] = address(usd);
            batch.payers[i] = payer(first + i);
            batch.amounts[i] = amount;
            batch.proofs[i] = proof(first + i);
        }
    }

    function claimMany(Claims memory batch) internal {
        vm.prank(PAYEE);
        escrow.claimLocks(batch.jobIds, batch.tokens, batch.payers, batch.amounts, batch.proofs);
    }

    function available(address user, TestToken token) internal view returns (uint256) {
        return escrow.getUserFunds(user, address(token)).available;
    }

    function locked(address user, TestToken token) internal view returns (uint256) {
        return escrow.getUserFunds(user, address(token)).locked;
    }

    function locksOfPayee() internal view returns (EscrowLock[] memory) {
        return escrow.getLocks(address(0), address(0), PAYEE);
    }

    function authOf(address who, TestToken token, address payee) internal view returns (EscrowAuth memory) {
        EscrowAuth[] memory auths = escrow.getAuthorizations(address(token), who, payee);
        vm.assertEq(auths.length, 1, "one authorisation");
        return auths[0];
    }

    function assertFunds(address user, TestToken token, uint256 available_, uint256 locked_) internal view {
        EscrowFunds memory funds = escrow.getUserFunds(user, address(token));
        vm.assertEq(funds.available, available_, "available");
        vm.assertEq(funds.locked, locked_, "locked");
    }

    /// @notice The next call is refused with this text.
    function expectRefusal(string memory text) internal {
        vm.expectRevert(abi.encodeWithSignature("Error(string)", text));
    }
}
