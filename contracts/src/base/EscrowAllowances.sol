// SPDX-License-Identifier: Apache-2.0
pragma solidity 0.8.37;

import {IEscrow} from "../interfaces/IEscrow.sol";
import {EscrowAuth, EscrowFunds} from "../types/EscrowTypes.sol";
import {EscrowAccounts} from "./EscrowAccounts.sol";

/// @title What payers have in an escrow, and what they allow payees
/// @notice Accounts of one word each, and allowances that are found without looking at others.
/// @dev Amounts are kept in 128 bits: an account that would hold more is refused.
abstract contract EscrowAllowances is EscrowAccounts {
    struct Account {
        uint128 available;
        uint128 locked;
    }

    /// @dev How much of an allowance is in use. Apart from its limits, because every lock changes it.
    struct Usage {
        uint128 lockedAmount;
        uint64 locks;
        bool authorized;
    }

    struct Limits {
        uint256 maxLockedAmount;
        uint256 maxLockSeconds;
        uint256 maxLockCounts;
    }

    struct Allowance {
        Usage usage;
        Limits limits;
    }

    mapping(address user => mapping(address token => Account)) private _accounts;
    mapping(address payer => mapping(address token => address[])) private _payees;
    mapping(address payer => mapping(address token => mapping(address payee => Allowance))) private _allowances;

    constructor(address factoryRouter_, address opcCollector_) EscrowAccounts(factoryRouter_, opcCollector_) {}

    /// @inheritdoc IEscrow
    function authorize(
        address token,
        address payee,
        uint256 maxLockedAmount,
        uint256 maxLockSeconds,
        uint256 maxLockCounts
    ) external nonReentrant {
        _authorize(token, payee, Limits(maxLockedAmount, maxLockSeconds, maxLockCounts));
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
            _authorize(tokens[i], payees[i], Limits(maxLockedAmounts[i], maxLockSeconds[i], maxLockCounts[i]));
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
        if (payee != address(0)) {
            bool there = _allowances[payer][token][payee].usage.authorized;
            auths = new EscrowAuth[](there ? 1 : 0);
            if (there) auths[0] = _auth(payer, token, payee);
            return auths;
        }
        address[] storage payees = _payees[payer][token];
        auths = new EscrowAuth[](payees.length);
        for (uint256 i; i < auths.length; ++i) {
            auths[i] = _auth(payer, token, payees[i]);
        }
    }

    /// @dev Sets funds of `payer` aside for the caller, as far as it allows.
    function _reserve(address token, address payer, uint256 amount, uint256 expirySeconds) internal {
        Account memory account = _accounts[payer][token];
        require(account.available >= amount, "Payer does not have enough funds");
        Allowance storage allowance = _allowances[payer][token][msg.sender];
        Usage memory usage = allowance.usage;
        require(usage.authorized, "No auth found");
        // What ends after the year 584 billion is too high as well.
        require(
            expirySeconds <= allowance.limits.maxLockSeconds
                && expirySeconds <= type(uint64).max - block.timestamp,
            "Expiry too high"
        );
        require(usage.lockedAmount + amount <= allowance.limits.maxLockedAmount, "Exceeds maxLockedAmount");
        require(usage.locks < allowance.limits.maxLockCounts, "Exceeds maxLockCounts");
        usage.lockedAmount += uint128(amount);
        usage.locks += 1;
        allowance.usage = usage;
        account.available -= uint128(amount);
        account.locked += uint128(amount);
        _accounts[payer][token] = account;
    }

    /// @dev Ends the use of an allowance by one lock, and gives `back` of it to the payer.
    function _release(address token, address payer, address payee, uint128 locked, uint128 back) internal {
        Allowance storage allowance = _allowances[payer][token][payee];
        Usage memory usage = allowance.usage;
        usage.lockedAmount -= locked;
        usage.locks -= 1;
        allowance.usage = usage;
        Account memory account = _accounts[payer][token];
        account.available += back;
        account.locked -= locked;
        _accounts[payer][token] = account;
    }

    function _authorize(address token, address payee, Limits memory limits) private {
        require(token != address(0), "Invalid token");
        require(payee != address(0), "Invalid payee");
        Allowance storage allowance = _allowances[msg.sender][token][payee];
        if (!allowance.usage.authorized) {
            allowance.usage.authorized = true;
            _payees[msg.sender][token].push(payee);
        }
        allowance.limits = limits;
        emit Auth(msg.sender, payee, limits.maxLockedAmount, limits.maxLockSeconds, limits.maxLockCounts);
    }

    function _auth(address payer, address token, address payee) private view returns (EscrowAuth memory) {
        Allowance storage allowance = _allowances[payer][token][payee];
        return EscrowAuth({
            payee: payee,
            maxLockedAmount: allowance.limits.maxLockedAmount,
            currentLockedAmount: allowance.usage.lockedAmount,
            maxLockSeconds: allowance.limits.maxLockSeconds,
            maxLockCounts: allowance.limits.maxLockCounts,
            currentLocks: allowance.usage.locks
        });
    }

    /// @inheritdoc EscrowAccounts
    function _funds(address user, address token) internal view override returns (EscrowFunds memory) {
        Account memory account = _accounts[user][token];
        return EscrowFunds({available: account.available, locked: account.locked});
    }

    /// @inheritdoc EscrowAccounts
    function _add(address user, address token, uint256 amount) internal override {
        Account storage account = _accounts[user][token];
        // With what is locked, so that giving it back always has room.
        require(amount <= type(uint128).max - account.available - account.locked, "Balance exceeds 128 bits");
        account.available += uint128(amount);
    }

    /// @inheritdoc EscrowAccounts
    function _take(address user, address token, uint256 amount) internal override {
        _accounts[user][token].available -= uint128(amount);
    }
}
