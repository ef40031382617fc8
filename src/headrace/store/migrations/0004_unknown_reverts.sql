-- Operations whose last revert no known ABI could read: few, counted for people by selector.
CREATE INDEX operations_unknown_revert ON operations (substr(revert_data, 1, 4))
    WHERE revert_name IS NULL AND revert_data <> x'';
