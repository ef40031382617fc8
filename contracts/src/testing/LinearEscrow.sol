// SPDX-License-Identifier: Apache-2.0
pragma solidity 0.8.37;

import {EscrowAccounts} from "../base/EscrowAccounts.sol";
import {IEscrow} from "../interfaces/IEscrow.sol";
import {EscrowAuth, EscrowFunds, EscrowLock} from "../types/EscrowTypes.sol";

/// @title What an escrow costs that was not made for batches
/// @notice For tests and comparisons only. It answers as Escrow does, and works as the contracts that are deployed out
/// there do: every lock and allowance is looked for from the beginning of its list, every field has a word of its own,
/// and each claim asks for the fee, pays the collector and credits the payee by itself.
/// @dev The words are in IEscrow.
contract LinearEscrow is EscrowAccounts {
    mapping(address user => mapping(address token => EscrowFunds)) private _fundsOf;
    mapping(address payer => mapping(address token => EscrowAuth[])) private _auths;
    mapping(address payee => EscrowLock[]) private _locks;

    constructor(address factoryRouter_, address opcCollector_) EscrowAccounts(factoryRouter_, opcCollector_) {}

    /// @inheritdoc IEscrow
    function authorize(
        address token,
        address payee,
        uint256 maxLockedAmount,
        uint256 maxLockSeconds,
        uint256 maxLockCounts
    ) external nonReentrant {
        _authorize(token, payee, maxLockedAmount, maxLockSeconds, maxLockCounts);
    }

    /// @inheritdoc IEscrow
    function authorizeMultiple(
        address[] calldata tokens,
        address[] calldata payees,
        uint256[] calldata maxLockedAmounts,
        uint256[] calldata maxLockSeconds,
        uint256[] calldata maxLockCounts
    ) external nonReentrant {
        require(
            tokens.length == payees.length && tokens.length == maxLockedAmounts.length
                && tokens.length == maxLockSeconds.length && tokens.length == maxLockCounts.length,
            "Invalid input"
        );
        for (uint256 i; i < tokens.length; ++i) {
            _authorize(tokens[i], payees[i], maxLockedAmounts[i], maxLockSeconds[i], maxLockCounts[i]);
        }
    }

    /// @inheritdoc IEscrow
    function createLock(uint256 jobId, address token, address payer, uint256 amount, uint256 expirySeconds)
        external
        nonReentrant
    {
        _createLock(jobId, token, payer, amount, expirySeconds);
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
        for (uint256 i; i < jobIds.length; ++i) {
            _createLock(jobIds[i], tokens[i], payers[i], amounts[i], expirySeconds[i]);
        }
    }

    /// @inheritdoc IEscrow
    function claimLock(uint256 jobId, address token, address payer, uint256 amount, bytes calldata proof)
        external
        nonReentrant
    {
        _claim(jobId, token, payer, amount, proof);
    }

    /// @inheritdoc IEscrow
    function claimLockAndWithdraw(
        uint256 jobId,
        address token,
        address payer,
        uint256 amount,
        bytes calldata proof
    ) external nonReentrant {
        _claim(jobId, token, payer, amount, proof);
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
            if (_fundsOf[msg.sender][tokens[i]].available != 0) _withdrawAll(tokens[i]);
        }
    }

    /// @inheritdoc IEscrow
    function cancelExpiredLock(uint256 jobId, address token, address payer, address payee) external nonReentrant {
        _cancelExpired(jobId, token, payer, payee);
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
        for (uint256 i; i < jobIds.length; ++i) {
            _cancelExpired(jobIds[i], tokens[i], payers[i], payees[i]);
        }
    }

    /// @inheritdoc IEscrow
    function getLocks(address token, address payer, address payee)
        external
        view
        returns (EscrowLock[] memory locks)
    {
        require(payee != address(0), "Invalid payee");
        EscrowLock[] memory all = _locks[payee];
        locks = new EscrowLock[](all.length);
        uint256 found;
        for (uint256 i; i < all.length; ++i) {
            if (token == address(0) || payer == address(0) || token == all[i].token || payer == all[i].payer) {
                locks[found++] = all[i];
            }
        }
        assembly ("memory-safe") {
            mstore(locks, found)
        }
    }

    /// @inheritdoc IEscrow
    function getAuthorizations(address token, address payer, address payee)
        external
        view
        returns (EscrowAuth[] memory auths)
    {
        require(payer != address(0), "Invalid payer");
        require(token != address(0), "Invalid token");
        EscrowAuth[] memory all = _auths[payer][token];
        auths = new EscrowAuth[](all.length);
        uint256 found;
        for (uint256 i; i < all.length; ++i) {
            if (payee == address(0) || payee == all[i].payee) auths[found++] = all[i];
        }
        assembly ("memory-safe") {
            mstore(auths, found)
        }
    }

    function _authorize(
        address token,
        address payee,
        uint256 maxLockedAmount,
        uint256 maxLockSeconds,
        uint256 maxLockCounts
    ) private {
        require(token != address(0), "Invalid token");
        require(payee != address(0), "Invalid payee");
        EscrowAuth[] storage auths = _auths[msg.sender][token];
        uint256 place = _placeOfAuth(auths, payee);
        if (place == auths.length) {
            auths.push(EscrowAuth(payee, maxLockedAmount, 0, maxLockSeconds, maxLockCounts, 0));
        } else {
            auths[place].maxLockedAmount = maxLockedAmount;
            auths[place].maxLockSeconds = maxLockSeconds;
            auths[place].maxLockCounts = maxLockCounts;
        }
        emit Auth(msg.sender, payee, maxLockedAmount, maxLockSeconds, maxLockCounts);
    }

    function _createLock(uint256 jobId, address token, address payer, uint256 amount, uint256 expirySeconds)
        private
    {
        require(payer != address(0), "Invalid payer");
        require(payer != msg.sender, "Payeer cannot be payee");
        require(token != address(0), "Invalid token");
        require(amount > 0, "Invalid amount");
        require(jobId > 0, "Invalid jobId");
        EscrowFunds storage funds = _fundsOf[payer][token];
        require(funds.available >= amount, "Payer does not have enough funds");
        EscrowAuth[] storage auths = _auths[payer][token];
        uint256 place = _placeOfAuth(auths, msg.sender);
        require(place != auths.length, "No auth found");
        EscrowAuth storage auth = auths[place];
        require(expirySeconds <= auth.maxLockSeconds, "Expiry too high");
        require(auth.currentLockedAmount + amount <= auth.maxLockedAmount, "Exceeds maxLockedAmount");
        require(auth.currentLocks < auth.maxLockCounts, "Exceeds maxLockCounts");
        EscrowLock[] storage locks = _locks[msg.sender];
        for (uint256 i; i < locks.length; ++i) {
            require(locks[i].payer != payer || locks[i].jobId != jobId, "JobId already exists");
        }
        auth.currentLockedAmount += amount;
        auth.currentLocks += 1;
        funds.available -= amount;
        funds.locked += amount;
        locks.push(EscrowLock(jobId, payer, amount, block.timestamp + expirySeconds, token));
        emit Lock(payer, msg.sender, jobId, amount, expirySeconds, token);
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
        for (uint256 i; i < jobIds.length; ++i) {
            _claim(jobIds[i], tokens[i], payers[i], amounts[i], proofs[i]);
        }
    }

    function _claim(uint256 jobId, address token, address payer, uint256 amount, bytes calldata proof) private {
        require(payer != address(0), "Invalid payer");
        require(token != address(0), "Invalid token");
        require(jobId > 0, "Invalid jobId");
        EscrowLock[] storage locks = _locks[msg.sender];
        uint256 place;
        while (place < locks.length) {
            EscrowLock storage one = locks[place];
            if (one.payer == payer && one.jobId == jobId && one.token == token) break;
            ++place;
        }
        require(place != locks.length, "Lock not found");
        EscrowLock memory lock = locks[place];
        if (lock.expiry < block.timestamp) {
            _cancelExpired(jobId, token, payer, msg.sender);
            return;
        }
        require(amount <= lock.amount, "Amount too high");
        uint256 fee = _feeOn(amount, _feeRate(token));
        _payFee(token, fee);
        _end(msg.sender, place, lock, amount);
        _credit(msg.sender, token, amount - fee);
        emit Claimed(msg.sender, jobId, token, payer, amount, proof);
    }

    function _cancelExpired(uint256 jobId, address token, address payer, address payee) private {
        require(payee != address(0), "Invalid payee");
        EscrowLock[] storage locks = _locks[payee];
        // Backwards: what fills a gap has been looked at already.
        for (uint256 i = locks.length; i > 0; --i) {
            EscrowLock memory lock = locks[i - 1];
            if (lock.expiry >= block.timestamp) continue;
            if (jobId != 0 && jobId != lock.jobId) continue;
            if (token != address(0) && token != lock.token) continue;
            if (payer != address(0) && payer != lock.payer) continue;
            _end(payee, i - 1, lock, 0);
            emit Canceled(payee, lock.jobId, lock.token, lock.payer, lock.amount);
        }
    }

    /// @dev Takes a lock off the books; the payer gets back what is not `taken`.
    function _end(address payee, uint256 place, EscrowLock memory lock, uint256 taken) private {
        EscrowAuth[] storage auths = _auths[lock.payer][lock.token];
        EscrowAuth storage auth = auths[_placeOfAuth(auths, payee)];
        auth.currentLockedAmount -= lock.amount;
        auth.currentLocks -= 1;
        EscrowFunds storage funds = _fundsOf[lock.payer][lock.token];
        funds.available += lock.amount - taken;
        funds.locked -= lock.amount;
        EscrowLock[] storage locks = _locks[payee];
        if (place != locks.length - 1) locks[place] = locks[locks.length - 1];
        locks.pop();
    }

    /// @dev The length of the list where it is not in it.
    function _placeOfAuth(EscrowAuth[] storage auths, address payee) private view returns (uint256 place) {
        while (place < auths.length && auths[place].payee != payee) {
            ++place;
        }
    }

    /// @inheritdoc EscrowAccounts
    function _funds(address user, address token) internal view override returns (EscrowFunds memory) {
        return _fundsOf[user][token];
    }

    /// @inheritdoc EscrowAccounts
    function _add(address user, address token, uint256 amount) internal override {
        _fundsOf[user][token].available += amount;
    }

    /// @inheritdoc EscrowAccounts
    function _take(address user, address token, uint256 amount) internal override {
        _fundsOf[user][token].available -= amount;
    }
}
