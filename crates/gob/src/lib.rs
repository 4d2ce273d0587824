//! Go's encoding/gob: reading through serde, typed writing, a dynamic value
