// SPDX-License-Identifier: Apache-2.0
pragma solidity 0.8.37;

/// @title The hashes of a task and a response, out of a call that carries both
/// @notice The compiler's encoding of such a call has the body of each behind the other. With one word of offset before
/// it a body is what abi.encode gives for it alone, so that nothing needs to be encoded again to be hashed.
library EncodedAnswer {
    /// @param encoded A function's selector, and the encoding of (Task, TaskResponse, bytes) as the compiler makes it.
    function hashes(bytes memory encoded) internal pure returns (bytes32 taskHash, bytes32 responseHash) {
        assembly ("memory-safe") {
            function hashBody(body, end) -> hashed {
                let before := sub(body, 32)
                let kept := mload(before)
                mstore(before, 32)
                hashed := keccak256(before, sub(end, before))
                mstore(before, kept)
            }
            let arguments := add(encoded, 36)
            let task := add(arguments, mload(arguments))
            let response := add(arguments, mload(add(arguments, 32)))
            let signature := add(arguments, mload(add(arguments, 64)))
            taskHash := hashBody(task, response)
            responseHash := hashBody(response, signature)
        }
    }
}
