// SPDX-License-Identifier: Apache-2.0
pragma solidity 0.8.37;

import {IEscrow} from "../src/interfaces/IEscrow.sol";
import {EscrowAuth, EscrowFunds, EscrowLock} from "../src/types/EscrowTypes.sol";
import {EscrowTest} from "./base/EscrowTest.sol";
import {Vm, vm} from "./base/Vm.sol";

/// @notice Two escrows that work differently are told the same, by chance, and must not differ.
contract EscrowTwinsTest is EscrowTest {
    uint256 private constant STEPS = 40;
    uint256 private constant PAYERS = 3;
    uint256 private constant PAYEES = 2;

    IEscrow private _linear;
    address[] private _tokens;
    uint256 private _chance;

    function setUp() public override {
        super.setUp();
        _linear = newEscrow("LinearEscrow", address(0));
        _tokens = [address(usd), address(coin)];
        router.setFeeOf(address(coin), 30 * FEE);
        for (uint256 user; user < PAYERS + PAYEES; ++user) {
            for (uint256 i; i < 2; ++i) {
                (i == 0 ? usd : coin).mint(_user(user), 1_000_000);
                _send(_user(user), _tokens[i], abi.encodeCall(usd.approve, (address(escrow), type(uint256).max)));
                _send(_user(user), _tokens[i], abi.encodeCall(usd.approve, (address(_linear), type(uint256).max)));
                _tell(_user(user), abi.encodeCall(IEscrow.deposit, (_tokens[i], 2_000)));
                if (user >= PAYERS) continue;
                for (uint256 payee; payee < PAYEES; ++payee) {
                    bytes memory call =
                        abi.encodeCall(IEscrow.authorize, (_tokens[i], _user(PAYERS + payee), 500, 100, 6));
                    _tell(_user(user), call);
                }
            }
        }
    }

    function testFuzz_AnswerAlike(uint256 chance) external {
        _chance = chance;
        for (uint256 step; step < STEPS; ++step) {
            if (_below(4) == 0) vm.warp(timeNow() + _below(40));
            (address who, bytes memory call) = _anyCall();
            _tell(who, call);
        }
        _assertSame();
        _assertSound(escrow);
        _assertSound(_linear);
    }

    function _send(address who, address to, bytes memory call) private returns (bool ok, bytes memory answer) {
        vm.prank(who);
        (ok, answer) = to.call(call);
    }

    function _tell(address who, bytes memory call) private {
        vm.recordLogs();
        (bool ok, bytes memory answer) = _send(who, address(escrow), call);
        bytes32 events = _digest(address(escrow));
        vm.recordLogs();
        (bool okLinear, bytes memory answerLinear) = _send(who, address(_linear), call);
        vm.assertEq(answer, answerLinear, "the same answer");
        vm.assertTrue(ok == okLinear, "done or refused");
        vm.assertEq(events, _digest(address(_linear)), "the same events");
    }

    /// @dev Of all events, in any order: the order of locks in the list is nobody's promise.
    function _digest(address emitter) private returns (bytes32) {
        Vm.Log[] memory logs = vm.getRecordedLogs();
        uint256 sum;
        for (uint256 i; i < logs.length; ++i) {
            if (logs[i].emitter != emitter) continue;
            unchecked {
                sum += uint256(keccak256(abi.encode(logs[i].topics, logs[i].data)));
            }
        }
        return bytes32(sum);
    }

    function _anyCall() private returns (address who, bytes memory call) {
        uint256 kind = _below(11);
        uint256 count = _below(4);
        if (kind < 4) {
            return (_payee(), _anyCreate(count));
        }
        if (kind < 8) return (_payee(), _anyClaim(count));
        if (kind == 8) return (STRANGER, _anyCancel(count));
        who = _user(_below(PAYERS + PAYEES));
        if (kind == 9) {
            (address[] memory tokens, uint256[] memory amounts) = (_anyTokens(count), _anyAmounts(count, 900));
            return (
                who,
                _below(2) == 0
                    ? abi.encodeCall(IEscrow.depositMultiple, (tokens, amounts))
                    : abi.encodeCall(IEscrow.withdraw, (tokens, amounts))
            );
        }
        call = abi.encodeCall(
            IEscrow.authorize, (_token(), _payee(), 100 + _below(900), 20 + _below(100), 1 + _below(8))
        );
    }

    function _anyCreate(uint256 count) private returns (bytes memory) {
        if (count == 0) {
            return abi.encodeCall(IEscrow.createLock, (_job(), _token(), _payer(), _below(200), _below(110)));
        }
        return abi.encodeCall(
            IEscrow.createLocks,
            (
                _anyJobs(count),
                _anyTokens(count),
                _anyPayers(count),
                _anyAmounts(count, 120),
                _anyAmounts(count, 101)
            )
        );
    }

    function _anyClaim(uint256 count) private returns (bytes memory) {
        bool take = _below(2) == 0;
        if (count == 0 || _below(2) == 0) {
            (uint256 jobId, address token, address who) = _anyLock();
            uint256 amount = _below(120);
            return take
                ? abi.encodeCall(IEscrow.claimLockAndWithdraw, (jobId, token, who, amount, "why"))
                : abi.encodeCall(IEscrow.claimLock, (jobId, token, who, amount, "why"));
        }
        (uint256[] memory jobIds, address[] memory tokens, address[] memory payers) = _anyLocks(count);
        bytes[] memory proofs = new bytes[](count);
        uint256[] memory amounts = _anyAmounts(count, 60);
        return take
            ? abi.encodeCall(IEscrow.claimLocksAndWithdraw, (jobIds, tokens, payers, amounts, proofs))
            : abi.encodeCall(IEscrow.claimLocks, (jobIds, tokens, payers, amounts, proofs));
    }

    function _anyCancel(uint256 count) private returns (bytes memory) {
        (uint256[] memory jobIds, address[] memory tokens, address[] memory payers) = _anyLocks(count + 1);
        address[] memory payees = new address[](count + 1);
        for (uint256 i; i <= count; ++i) {
            payees[i] = _payee();
            if (_below(3) == 0) jobIds[i] = 0;
            if (_below(3) == 0) tokens[i] = address(0);
            if (_below(3) == 0) payers[i] = address(0);
        }
        return abi.encodeCall(IEscrow.cancelExpiredLocks, (jobIds, tokens, payers, payees));
    }

    function _anyLocks(uint256 count)
        private
        returns (uint256[] memory jobIds, address[] memory tokens, address[] memory payers)
    {
        (jobIds, tokens, payers) = (new uint256[](count), new address[](count), new address[](count));
        for (uint256 i; i < count; ++i) {
            (jobIds[i], tokens[i], payers[i]) = _anyLock();
        }
    }

    /// @dev Mostly one that is there: of the payee who is next to speak, if chance wants it.
    function _anyLock() private returns (uint256, address, address) {
        EscrowLock[] memory locks = escrow.getLocks(address(0), address(0), _payee());
        if (locks.length == 0 || _below(8) == 0) return (_job(), _token(), _payer());
        EscrowLock memory one = locks[_below(locks.length)];
        return (one.jobId, one.token, one.payer);
    }

    function _anyJobs(uint256 count) private returns (uint256[] memory jobs) {
        jobs = new uint256[](count);
        for (uint256 i; i < count; ++i) {
            jobs[i] = _job();
        }
    }

    function _anyAmounts(uint256 count, uint256 bound) private returns (uint256[] memory amounts) {
        amounts = new uint256[](count);
        for (uint256 i; i < count; ++i) {
            amounts[i] = _below(bound);
        }
    }

    function _anyTokens(uint256 count) private returns (address[] memory tokens) {
        tokens = new address[](count);
        for (uint256 i; i < count; ++i) {
            tokens[i] = _token();
        }
    }

    function _anyPayers(uint256 count) private returns (address[] memory payers) {
        payers = new address[](count);
        for (uint256 i; i < count; ++i) {
            payers[i] = _payer();
        }
    }

    function _job() private returns (uint256) {
        return _below(40) == 0 ? 0 : 1 + _below(6);
    }

    function _token() private returns (address) {
        return _below(40) == 0 ? address(0) : _tokens[_below(2)];
    }

    function _payer() private returns (address) {
        return _below(40) == 0 ? address(0) : _user(_below(PAYERS));
    }

    function _payee() private returns (address) {
        return _user(PAYERS + _below(PAYEES));
    }

    function _below(uint256 bound) private returns (uint256) {
        _chance = uint256(keccak256(abi.encode(_chance)));
        return _chance % bound;
    }

    function _user(uint256 number) private pure returns (address) {
        return address(uint160(0x05E4_0000 + number));
    }

    function _assertSame() private view {
        for (uint256 user; user < PAYERS + PAYEES; ++user) {
            for (uint256 i; i < 2; ++i) {
                vm.assertEq(
                    abi.encode(escrow.getUserFunds(_user(user), _tokens[i])),
                    abi.encode(_linear.getUserFunds(_user(user), _tokens[i])),
                    "the same funds"
                );
                vm.assertEq(
                    abi.encode(escrow.getAuthorizations(_tokens[i], _user(user), address(0))),
                    abi.encode(_linear.getAuthorizations(_tokens[i], _user(user), address(0))),
                    "the same authorisations"
                );
            }
            vm.assertEq(_digestOfLocks(escrow, user), _digestOfLocks(_linear, user), "the same locks");
        }
        vm.assertEq(usd.balanceOf(address(escrow)), usd.balanceOf(address(_linear)), "the same dollars");
        vm.assertEq(coin.balanceOf(address(escrow)), coin.balanceOf(address(_linear)), "the same coins");
    }

    function _digestOfLocks(IEscrow which, uint256 payee) private view returns (bytes32) {
        EscrowLock[] memory locks = which.getLocks(address(0), address(0), _user(payee));
        uint256 sum = locks.length;
        for (uint256 i; i < locks.length; ++i) {
            unchecked {
                sum += uint256(keccak256(abi.encode(locks[i])));
            }
        }
        return bytes32(sum);
    }

    function _assertSound(IEscrow which) private view {
        for (uint256 i; i < 2; ++i) {
            uint256 sum;
            for (uint256 user; user < PAYERS + PAYEES; ++user) {
                EscrowFunds memory funds = which.getUserFunds(_user(user), _tokens[i]);
                sum += funds.available + funds.locked;
                vm.assertEq(funds.locked, _lockedInUse(which, _user(user), _tokens[i]), "locked is in use");
            }
            vm.assertEq(sum, (i == 0 ? usd : coin).balanceOf(address(which)), "what all have is what is there");
        }
    }

    function _lockedInUse(IEscrow which, address who, address token) private view returns (uint256 sum) {
        EscrowAuth[] memory auths = which.getAuthorizations(token, who, address(0));
        for (uint256 i; i < auths.length; ++i) {
            EscrowLock[] memory locks = which.getLocks(address(0), address(0), auths[i].payee);
            (uint256 amount, uint256 count) = (0, 0);
            for (uint256 j; j < locks.length; ++j) {
                if (locks[j].payer != who || locks[j].token != token) continue;
                amount += locks[j].amount;
                ++count;
            }
            vm.assertEq(auths[i].currentLockedAmount, amount, "in use: the sum of live locks");
            vm.assertEq(auths[i].currentLocks, count, "in use: the number of live locks");
            sum += amount;
        }
    }
}
