// SPDX-License-Identifier: Apache-2.0
pragma solidity 0.8.37;

/// @notice One lock, as it is kept: one word. There is no lock of amount 0.
/// @param expiry unix time
/// @param place where it is in the list of its book
/// @param tokenNumber stands for the token
struct LockRecord {
    uint128 amount;
    uint64 expiry;
    uint32 place;
    uint32 tokenNumber;
}

/// @notice Whose lock is at a place of the list.
struct LockOwner {
    uint256 jobId;
    address payer;
}

/// @notice The locks of one payee: each is found by payer and job id, and all can be listed.
/// @dev Places from `count` on hold what once was there. It is not cleared, because writing over it costs a quarter of
/// writing to an empty place, and what clearing gives back is capped.
struct LockBook {
    uint256 count;
    mapping(uint256 place => LockOwner) owners;
    mapping(address payer => mapping(uint256 jobId => LockRecord)) records;
}

/// @notice Places that are to be taken out of a list together, in memory.
/// @param gone a bit for each place of the list
struct Removals {
    uint256 count;
    uint256 removed;
    uint256[] places;
    uint256[] gone;
}

/// @title The list of locks, and taking many out of it at once
/// @notice Locks that are taken out one by one each leave a gap, that the last of the list has to fill; and the last may
/// be the next to go. Taken out together they cost one move for each gap that is left when all are gone, whatever the
/// order: none where the list is emptied.
library LockBooks {
    /// @notice Begins taking out at most `most` locks.
    function startRemoving(LockBook storage book, uint256 most) internal view returns (Removals memory removals) {
        uint256 count = book.count;
        removals.count = count;
        removals.places = new uint256[](most < count ? most : count);
        removals.gone = new uint256[]((count + 255) / 256);
    }

    /// @notice Forgets the record, which is at this place of the list. The list is put right by `closeGaps`.
    function remove(LockBook storage book, Removals memory removals, address payer, uint256 jobId, uint256 place)
        internal
    {
        delete book.records[payer][jobId];
        removals.places[removals.removed++] = place;
        removals.gone[place / 256] |= 1 << (place % 256);
    }

    /// @notice Ends it: the list holds what was not removed, and nothing else.
    function closeGaps(LockBook storage book, Removals memory removals) internal {
        if (removals.removed == 0) return;
        uint256 count = removals.count;
        uint256[] memory gone = removals.gone;
        for (uint256 i; i < removals.removed; ++i) {
            while (count != 0 && _isGone(gone, count - 1)) --count;
            uint256 place = removals.places[i];
            if (place >= count) continue;
            --count;
            LockOwner memory last = book.owners[count];
            book.owners[place] = last;
            book.records[last.payer][last.jobId].place = uint32(place);
            gone[place / 256] &= ~(1 << (place % 256));
        }
        book.count = count;
    }

    function _isGone(uint256[] memory gone, uint256 place) private pure returns (bool) {
        return gone[place / 256] >> (place % 256) & 1 != 0;
    }
}
