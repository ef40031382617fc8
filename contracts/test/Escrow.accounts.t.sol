// SPDX-License-Identifier: Apache-2.0
pragma solidity 0.8.37;

import {IEscrow} from "../src/interfaces/IEscrow.sol";
import {TestToken} from "../src/testing/TestToken.sol";
import {EscrowAuth, EscrowFunds} from "../src/types/EscrowTypes.sol";
import {EscrowTest} from "./base/EscrowTest.sol";
import {vm} from "./base/Vm.sol";
import {
    AnswersFalse,
    AnswersNothing,
    CallsBack,
    Greedy,
    OddToken,
    RevertsInSilence,
    TakesAFee
} from "./mocks/OddTokens.sol";

contract EscrowAccountsTest is EscrowTest {
    address private immutable ALICE = vm.addr(0xA11CE);

    function test_Constructor_RefusesNoRouter() external {
        expectRefusal("Invalid router");
        this.deployOutside(escrowName(), abi.encode(address(0), COLLECTOR));
        IEscrow fresh = newEscrow(escrowName(), COLLECTOR);
        vm.assertEq(fresh.factoryRouter(), address(router), "router");
        vm.assertEq(fresh.opcCollector(), COLLECTOR, "collector");
    }

    function deployOutside(string calldata name, bytes calldata arguments) external {
        deploy(name, arguments);
    }

    function testFuzz_Deposit_CreditsAndTells(uint128 first, uint120 second) external {
        first /= 2;
        depositFor(ALICE, usd, first);
        usd.mint(ALICE, second);
        coin.mint(ALICE, second);
        vm.prank(ALICE);
        usd.approve(address(escrow), second);
        vm.prank(ALICE);
        coin.approve(address(escrow), second);
        (address[] memory tokens, uint256[] memory amounts) = _two(second, second);
        vm.expectEmit(address(escrow));
        emit IEscrow.Deposit(ALICE, address(usd), second);
        vm.expectEmit(address(escrow));
        emit IEscrow.Deposit(ALICE, address(coin), second);
        vm.prank(ALICE);
        escrow.depositMultiple(tokens, amounts);
        assertFunds(ALICE, usd, uint256(first) + second, 0);
        assertFunds(ALICE, coin, second, 0);
        vm.prank(ALICE);
        EscrowFunds memory own = escrow.getFunds(address(coin));
        vm.assertEq(own.available, second, "of the caller");
        vm.assertEq(usd.balanceOf(address(escrow)), uint256(first) + second, "what is there");
    }

    function test_Deposit_TakesATokenThatAnswersNothing() external {
        AnswersNothing token = new AnswersNothing();
        _depositOdd(token, 100);
        vm.assertEq(escrow.getUserFunds(ALICE, address(token)).available, 100, "available");
        (address[] memory tokens, uint256[] memory amounts) = _one(address(token), 40);
        vm.prank(ALICE);
        escrow.withdraw(tokens, amounts);
        vm.assertEq(token.balanceOf(ALICE), 40, "paid out");
    }

    function test_Deposit_Refuses() external {
        vm.prank(ALICE);
        expectRefusal("Invalid token address");
        escrow.deposit(address(0), 1);
        OddToken token = new TakesAFee();
        token.mint(ALICE, 100);
        expectRefusal("Transfer amount is too low");
        vm.prank(ALICE);
        escrow.deposit(address(token), 100);
        token = new AnswersFalse();
        expectRefusal("SafeERC20: ERC20 operation did not succeed");
        vm.prank(ALICE);
        escrow.deposit(address(token), 100);
        token = new RevertsInSilence();
        expectRefusal("SafeERC20: low-level call failed");
        vm.prank(ALICE);
        escrow.deposit(address(token), 100);
        usd.mint(ALICE, 100);
        vm.expectRevert(
            abi.encodeWithSelector(TestToken.TestToken_NotAllowed.selector, ALICE, address(escrow), 0, 100)
        );
        vm.prank(ALICE);
        escrow.deposit(address(usd), 100);
        vm.expectRevert(bytes("")); // the balance of an address without code cannot be asked for
        vm.prank(ALICE);
        escrow.deposit(STRANGER, 100);
        vm.assertEq(escrow.getUserTokens(ALICE).length, 0, "nothing came");
    }

    function testFuzz_DepositWithPermit(uint128 amount, bool other, bool late) external {
        coin.mint(ALICE, amount);
        uint256 deadline = late ? timeNow() - 1 : timeNow();
        (uint8 v, bytes32 r, bytes32 s) = vm.sign(other ? 0xB0B : 0xA11CE, _permitDigest(amount, deadline));
        if (late) {
            vm.expectRevert(abi.encodeWithSelector(TestToken.TestToken_PermitExpired.selector, deadline));
        } else if (other) {
            vm.expectRevert(
                abi.encodeWithSelector(TestToken.TestToken_NotSignedByOwner.selector, ALICE, vm.addr(0xB0B))
            );
        }
        vm.prank(ALICE);
        escrow.depositWithPermit(address(coin), amount, deadline, v, r, s);
        assertFunds(ALICE, coin, late || other ? 0 : amount, 0);
    }

    function testFuzz_Withdraw_PaysOutOrLeavesOut(uint64 deposited, uint128 first, uint64 second) external {
        depositFor(ALICE, usd, deposited);
        depositFor(ALICE, coin, deposited);
        uint256 paid = first <= deposited ? first : 0;
        uint256 paidCoin = second <= deposited ? second : 0;
        (address[] memory tokens, uint256[] memory amounts) = _two(first, second);
        if (first <= deposited) {
            vm.expectEmit(address(escrow));
            emit IEscrow.Withdraw(ALICE, address(usd), first);
        }
        vm.prank(ALICE);
        escrow.withdraw(tokens, amounts);
        assertFunds(ALICE, usd, deposited - paid, 0);
        assertFunds(ALICE, coin, deposited - paidCoin, 0);
        vm.assertEq(usd.balanceOf(ALICE), paid, "dollars");
        vm.assertEq(coin.balanceOf(ALICE), paidCoin, "coins");
    }

    function test_Withdraw_AReceiverThatCallsBackIsRefused() external {
        CallsBack token = new CallsBack();
        _depositOdd(token, 1_000);
        Greedy greedy = new Greedy(escrow, address(token), 10);
        token.mint(address(greedy), 100);
        greedy.put();
        expectRefusal("ReentrancyGuard: reentrant call");
        greedy.take();
        vm.assertEq(token.balanceOf(address(escrow)), 1_100, "all there");
    }

    function test_Tokens_OnTheListOnceAndOffItWhenNothingIsLeft() external {
        depositFor(ALICE, usd, 10);
        depositFor(ALICE, coin, 10);
        depositFor(ALICE, usd, 10);
        _assertTokens(address(usd), address(coin), 2);
        (address[] memory tokens, uint256[] memory amounts) = _one(address(usd), 20);
        vm.prank(ALICE);
        escrow.withdraw(tokens, amounts);
        _assertTokens(address(coin), address(0), 1);
        amounts[0] = 0;
        vm.prank(ALICE);
        escrow.withdraw(tokens, amounts); // it is not there, and nothing is asked for
        depositFor(ALICE, usd, 10);
        _assertTokens(address(coin), address(usd), 2);
    }

    function test_Tokens_StayOnTheListWhileSomeIsLocked() external {
        enroll(1, 1);
        lock(1, 100);
        (address[] memory tokens, uint256[] memory amounts) = _one(address(usd), DEPOSITED - 100);
        vm.prank(payer(1));
        escrow.withdraw(tokens, amounts);
        vm.assertEq(escrow.getUserTokens(payer(1)).length, 1, "some is locked");
        claim(1, 40);
        amounts[0] = 60;
        vm.prank(payer(1));
        escrow.withdraw(tokens, amounts);
        vm.assertEq(escrow.getUserTokens(payer(1)).length, 0, "nothing is left");
    }

    function testFuzz_Authorize_KeepsAnyLimits(uint256 amount, uint256 lockSeconds, uint256 counts) external {
        vm.expectEmit(address(escrow));
        emit IEscrow.Auth(ALICE, PAYEE, amount, lockSeconds, counts);
        vm.prank(ALICE);
        escrow.authorize(address(usd), PAYEE, amount, lockSeconds, counts);
        EscrowAuth memory auth = authOf(ALICE, usd, PAYEE);
        vm.assertEq(auth.payee, PAYEE, "payee");
        vm.assertEq(auth.maxLockedAmount, amount, "maxLockedAmount");
        vm.assertEq(auth.maxLockSeconds, lockSeconds, "maxLockSeconds");
        vm.assertEq(auth.maxLockCounts, counts, "maxLockCounts");
        vm.assertEq(auth.currentLockedAmount + auth.currentLocks, 0, "not in use");
    }

    function test_Authorize_AgainChangesTheLimitsOnly() external {
        enroll(1, 1);
        lock(1, 100);
        vm.prank(payer(1));
        escrow.authorize(address(usd), PAYEE, 50, 1, 0);
        EscrowAuth memory auth = authOf(payer(1), usd, PAYEE);
        vm.assertEq(auth.maxLockedAmount, 50, "less than is locked");
        vm.assertEq(auth.currentLockedAmount, 100, "in use");
        vm.assertEq(auth.currentLocks, 1, "in use");
        claim(1, 100);
        vm.assertEq(authOf(payer(1), usd, PAYEE).currentLocks, 0, "claimed all the same");
    }

    function test_Authorize_Refuses() external {
        expectRefusal("Invalid token");
        escrow.authorize(address(0), address(0), 1, 1, 1);
        expectRefusal("Invalid payee");
        escrow.authorize(address(usd), address(0), 1, 1, 1);
    }

    function test_Authorizations_OneOrAll() external {
        (address[] memory tokens,) = _two(0, 0);
        tokens[1] = tokens[0];
        address[] memory payees = new address[](2);
        (payees[0], payees[1]) = (PAYEE, STRANGER);
        uint256[] memory limits = new uint256[](2);
        (limits[0], limits[1]) = (1, 2);
        vm.prank(ALICE);
        escrow.authorizeMultiple(tokens, payees, limits, limits, limits);
        EscrowAuth[] memory all = escrow.getAuthorizations(address(usd), ALICE, address(0));
        vm.assertEq(all.length, 2, "all");
        vm.assertEq(all[1].payee, STRANGER, "in order");
        vm.assertEq(all[1].maxLockCounts, 2, "of each its own");
        vm.assertEq(authOf(ALICE, usd, STRANGER).maxLockedAmount, 2, "one");
        vm.assertEq(escrow.getAuthorizations(address(usd), ALICE, ALICE).length, 0, "none");
        expectRefusal("Invalid payer");
        escrow.getAuthorizations(address(0), address(0), PAYEE);
        expectRefusal("Invalid token");
        escrow.getAuthorizations(address(0), ALICE, PAYEE);
    }

    function test_RefusesArraysOfDifferentLength() external {
        address[] memory two = new address[](2);
        uint256[] memory twice = new uint256[](2);
        uint256[] memory once = new uint256[](1);
        expectRefusal("Invalid input");
        escrow.depositMultiple(two, once);
        expectRefusal("Invalid input");
        escrow.withdraw(two, once);
        expectRefusal("Invalid input");
        escrow.authorizeMultiple(two, new address[](3), twice, twice, twice);
        expectRefusal("Invalid input");
        escrow.authorizeMultiple(two, two, once, twice, twice);
        expectRefusal("Invalid input");
        escrow.authorizeMultiple(two, two, twice, once, twice);
        expectRefusal("Invalid input");
        escrow.authorizeMultiple(two, two, twice, twice, once);
    }

    function _depositOdd(OddToken token, uint256 amount) private {
        token.mint(ALICE, amount);
        vm.prank(ALICE);
        escrow.deposit(address(token), amount);
    }

    function _permitDigest(uint256 amount, uint256 deadline) private view returns (bytes32) {
        bytes32 content = keccak256(
            abi.encode(
                keccak256("Permit(address owner,address spender,uint256 value,uint256 nonce,uint256 deadline)"),
                ALICE,
                address(escrow),
                amount,
                coin.nonces(ALICE),
                deadline
            )
        );
        return keccak256(abi.encodePacked(hex"1901", coin.DOMAIN_SEPARATOR(), content));
    }

    function _one(address token, uint256 amount) private pure returns (address[] memory, uint256[] memory) {
        address[] memory tokens = new address[](1);
        uint256[] memory amounts = new uint256[](1);
        (tokens[0], amounts[0]) = (token, amount);
        return (tokens, amounts);
    }

    function _two(uint256 dollars, uint256 coins) private view returns (address[] memory, uint256[] memory) {
        address[] memory tokens = new address[](2);
        uint256[] memory amounts = new uint256[](2);
        (tokens[0], tokens[1]) = (address(usd), address(coin));
        (amounts[0], amounts[1]) = (dollars, coins);
        return (tokens, amounts);
    }

    function _assertTokens(address first, address second, uint256 count) private view {
        address[] memory tokens = escrow.getUserTokens(ALICE);
        vm.assertEq(tokens.length, count, "how many tokens");
        vm.assertEq(tokens[0], first, "first");
        if (count > 1) vm.assertEq(tokens[1], second, "second");
    }
}

contract LinearEscrowAccountsTest is EscrowAccountsTest {
    function escrowName() internal pure override returns (string memory) {
        return "LinearEscrow";
    }
}
