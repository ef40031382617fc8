// SPDX-License-Identifier: Apache-2.0
pragma solidity 0.8.37;

import {EscrowAllowances} from "./base/EscrowAllowances.sol";
import {IEscrow} from "./interfaces/IEscrow.sol";
import {LockBook, LockBooks, LockOwner, LockRecord, Removals} from "./libraries/LockBook.sol";
import {EscrowLock} from "./types/EscrowTypes.sol";

/// @title Funds between those who pay for jobs and those who run them
/// @notice Made for settling many jobs at once: a claim writes three words (the lock, the payer's account, the payer's
/// allowance), however many locks there are. What concerns payee and collector is written once for all neighbours of
/// the same token, so that the collector sees one transfer of the sum.
/// @dev The words are in IEscrow.
contract Escrow is EscrowAllowances {
    using LockBooks for LockBook;

    /// @dev Claims on their way: what is common to neighbours of the same token, and not written yet.
    struct Run {
        address token;
        uint256 tokenNumber;
        bool feeKnown;
        uint256 feeRate;
        uint256 fees;
        uint256 earned;
        Removals removals;
    }

    mapping(address payee => LockBook) private _books;

    /// @dev A token that was ever locked has a number, its place in the list counted from 1. Each costs a lock of it:
    /// nobody reaches 2^32.
    mapping(address token => uint256) private _tokenNumbers;
    address[] private _lockedTokens;

    constructor(address factoryRouter_, address opcCollector_) EscrowAllowances(factoryRouter_, opcCollector_) {}

    /// @inheritdoc IEscrow
    function createLock(uint256 jobId, address token, address payer, uint256 amount, uint256 expirySeconds)
        external
        nonReentrant
    {
        LockBook storage book = _books[msg.sender];
        uint256 place = book.count;
        _createLock(book, place, jobId, token, payer, amount, expirySeconds);
        book.count = place + 1;
    }

    /// @inheritdoc IEscrow
    function createLocks(
        uint256[] calldata jobIds,
        address[] calldata tokens,
        address[] calldata payers,
        uint256[] calldata amounts,
        uint256[] calldata expirySeconds
    ) external nonReentrant {
        require(
            jobIds.length == tokens.length && jobIds.length == payers.length && jobIds.length == amounts.length
                && jobIds.length == expirySeconds.length,
            "Invalid input"
        );
        LockBook storage book = _books[msg.sender];
        uint256 count = book.count;
        for (uint256 i; i < jobIds.length; ++i) {
            _createLock(book, count + i, jobIds[i], tokens[i], payers[i], amounts[i], expirySeconds[i]);
        }
        book.count = count + jobIds.length;
    }

    /// @inheritdoc IEscrow
    function claimLock(uint256 jobId, address token, address payer, uint256 amount, bytes calldata proof)
        external
        nonReentrant
    {
        _claimOne(jobId, token, payer, amount, proof);
    }

    /// @inheritdoc IEscrow
    function claimLockAndWithdraw(
        uint256 jobId,
        address token,
        address payer,
        uint256 amount,
        bytes calldata proof
    ) external nonReentrant {
        _claimOne(jobId, token, payer, amount, proof);
        _withdrawAll(token);
    }

    /// @inheritdoc IEscrow
    function claimLocks(
        uint256[] calldata jobIds,
        address[] calldata tokens,
        address[] calldata payers,
        uint256[] calldata amounts,
        bytes[] calldata proofs
    ) external nonReentrant {
        _claimAll(jobIds, tokens, payers, amounts, proofs);
    }

    /// @inheritdoc IEscrow
    function claimLocksAndWithdraw(
        uint256[] calldata jobIds,
        address[] calldata tokens,
        address[] calldata payers,
        uint256[] calldata amounts,
        bytes[] calldata proofs
    ) external nonReentrant {
        _claimAll(jobIds, tokens, payers, amounts, proofs);
        for (uint256 i; i < tokens.length; ++i) {
            if (i != 0 && tokens[i] == tokens[i - 1]) continue;
            if (_funds(msg.sender, tokens[i]).available != 0) _withdrawAll(tokens[i]);
        }
    }

    /// @inheritdoc IEscrow
    function cancelExpiredLock(uint256 jobId, address token, address payer, address payee) external nonReentrant {
        _cancelOne(jobId, token, payer, payee);
    }

    /// @inheritdoc IEscrow
    function cancelExpiredLocks(
        uint256[] calldata jobIds,
        address[] calldata tokens,
        address[] calldata payers,
        address[] calldata payees
    ) external nonReentrant {
        require(
            jobIds.length == tokens.length && jobIds.length == payers.length && jobIds.length == payees.length,
            "Invalid input"
        );
        uint256 i;
        while (i < jobIds.length) {
            if (_isNamed(jobIds[i], payers[i]) && payees[i] != address(0)) {
                i = _cancelNamed(jobIds, tokens, payers, payees, i);
            } else {
                _cancelOne(jobIds[i], tokens[i], payers[i], payees[i]);
                ++i;
            }
        }
    }

    /// @inheritdoc IEscrow
    function getLocks(address token, address payer, address payee)
        external
        view
        returns (EscrowLock[] memory locks)
    {
        require(payee != address(0), "Invalid payee");
        LockBook storage book = _books[payee];
        uint256 count = book.count;
        locks = new EscrowLock[](count);
        uint256 found;
        for (uint256 i; i < count; ++i) {
            EscrowLock memory one = _lockAt(book, i);
            if (token == address(0) || payer == address(0) || token == one.token || payer == one.payer) {
                locks[found++] = one;
            }
        }
        assembly ("memory-safe") {
            mstore(locks, found)
        }
    }

    function _createLock(
        LockBook storage book,
        uint256 place,
        uint256 jobId,
        address token,
        address payer,
        uint256 amount,
        uint256 expirySeconds
    ) private {
        require(payer != address(0), "Invalid payer");
        require(payer != msg.sender, "Payeer cannot be payee");
        require(token != address(0), "Invalid token");
        require(amount > 0, "Invalid amount");
        require(jobId > 0, "Invalid jobId");
        _reserve(token, payer, amount, expirySeconds);
        require(book.records[payer][jobId].amount == 0, "JobId already exists");
        book.records[payer][jobId] = LockRecord({
            amount: uint128(amount), // there is as much in an account of 128 bits
            expiry: uint64(block.timestamp + expirySeconds),
            place: uint32(place),
            tokenNumber: uint32(_numberOf(token))
        });
        book.owners[place] = LockOwner({jobId: jobId, payer: payer});
        emit Lock(payer, msg.sender, jobId, amount, expirySeconds, token);
    }

    function _claimOne(uint256 jobId, address token, address payer, uint256 amount, bytes calldata proof) private {
        LockBook storage book = _books[msg.sender];
        Run memory run;
        run.removals = book.startRemoving(1);
        _claim(book, run, jobId, token, payer, amount, proof);
        _pay(run);
        book.closeGaps(run.removals);
    }

    function _claimAll(
        uint256[] calldata jobIds,
        address[] calldata tokens,
        address[] calldata payers,
        uint256[] calldata amounts,
        bytes[] calldata proofs
    ) private {
        require(
            jobIds.length == tokens.length && jobIds.length == payers.length && jobIds.length == amounts.length
                && jobIds.length == proofs.length,
            "Invalid input"
        );
        LockBook storage book = _books[msg.sender];
        Run memory run;
        run.removals = book.startRemoving(jobIds.length);
        for (uint256 i; i < jobIds.length; ++i) {
            _claim(book, run, jobIds[i], tokens[i], payers[i], amounts[i], proofs[i]);
        }
        _pay(run);
        book.closeGaps(run.removals);
    }

    function _claim(
        LockBook storage book,
        Run memory run,
        uint256 jobId,
        address token,
        address payer,
        uint256 amount,
        bytes calldata proof
    ) private {
        require(payer != address(0), "Invalid payer");
        require(token != address(0), "Invalid token");
        require(jobId > 0, "Invalid jobId");
        if (token != run.token) {
            _pay(run);
            run.token = token;
            run.tokenNumber = _tokenNumbers[token];
            run.feeKnown = false;
        }
        LockRecord memory lock = book.records[payer][jobId];
        require(lock.amount != 0 && lock.tokenNumber == run.tokenNumber, "Lock not found");
        book.remove(run.removals, payer, jobId, lock.place);
        if (lock.expiry < block.timestamp) {
            _release(token, payer, msg.sender, lock.amount, lock.amount);
            emit Canceled(msg.sender, jobId, token, payer, lock.amount);
            return;
        }
        require(amount <= lock.amount, "Amount too high");
        _release(token, payer, msg.sender, lock.amount, lock.amount - uint128(amount));
        if (amount != 0) _earn(run, amount);
        emit Claimed(msg.sender, jobId, token, payer, amount, proof);
    }

    function _earn(Run memory run, uint256 amount) private view {
        if (!run.feeKnown) {
            run.feeRate = _feeRate(run.token);
            run.feeKnown = true;
        }
        uint256 fee = _feeOn(amount, run.feeRate);
        run.fees += fee;
        run.earned += amount - fee;
    }

    function _pay(Run memory run) private {
        if (run.earned != 0) _credit(msg.sender, run.token, run.earned);
        _payFee(run.token, run.fees);
        run.earned = 0;
        run.fees = 0;
    }

    /// @dev Whether it can be but one lock, so that there is no need to look at the others.
    function _isNamed(uint256 jobId, address payer) private pure returns (bool) {
        return jobId != 0 && payer != address(0);
    }

    /// @dev Cancels from item `i` on, as long as each names one lock of the same payee. Returns the first that does not.
    function _cancelNamed(
        uint256[] calldata jobIds,
        address[] calldata tokens,
        address[] calldata payers,
        address[] calldata payees,
        uint256 i
    ) private returns (uint256) {
        address payee = payees[i];
        LockBook storage book = _books[payee];
        Removals memory removals = book.startRemoving(jobIds.length - i);
        while (i < jobIds.length && payees[i] == payee && _isNamed(jobIds[i], payers[i])) {
            _cancelIfExpired(book, removals, jobIds[i], tokens[i], payers[i], payee);
            ++i;
        }
        book.closeGaps(removals);
        return i;
    }

    function _cancelOne(uint256 jobId, address token, address payer, address payee) private {
        require(payee != address(0), "Invalid payee");
        LockBook storage book = _books[payee];
        if (_isNamed(jobId, payer)) {
            Removals memory single = book.startRemoving(1);
            _cancelIfExpired(book, single, jobId, token, payer, payee);
            book.closeGaps(single);
            return;
        }
        Removals memory removals = book.startRemoving(type(uint256).max);
        for (uint256 i; i < removals.count; ++i) {
            LockOwner memory owner = book.owners[i];
            if (jobId != 0 && jobId != owner.jobId) continue;
            if (payer != address(0) && payer != owner.payer) continue;
            _cancelIfExpired(book, removals, owner.jobId, token, owner.payer, payee);
        }
        book.closeGaps(removals);
    }

    function _cancelIfExpired(
        LockBook storage book,
        Removals memory removals,
        uint256 jobId,
        address token,
        address payer,
        address payee
    ) private {
        LockRecord memory lock = book.records[payer][jobId];
        if (lock.amount == 0 || lock.expiry >= block.timestamp) return;
        address lockedToken = _lockedTokens[lock.tokenNumber - 1];
        if (token != address(0) && token != lockedToken) return;
        book.remove(removals, payer, jobId, lock.place);
        _release(lockedToken, payer, payee, lock.amount, lock.amount);
        emit Canceled(payee, jobId, lockedToken, payer, lock.amount);
    }

    function _numberOf(address token) private returns (uint256 number) {
        number = _tokenNumbers[token];
        if (number != 0) return number;
        _lockedTokens.push(token);
        number = _lockedTokens.length;
        _tokenNumbers[token] = number;
    }

    function _lockAt(LockBook storage book, uint256 place) private view returns (EscrowLock memory) {
        LockOwner memory owner = book.owners[place];
        LockRecord memory lock = book.records[owner.payer][owner.jobId];
        return EscrowLock({
            jobId: owner.jobId,
            payer: owner.payer,
            amount: lock.amount,
            expiry: lock.expiry,
            token: _lockedTokens[lock.tokenNumber - 1]
        });
    }
}
