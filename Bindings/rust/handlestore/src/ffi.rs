//! What handlestore.h declares. The tests compare each struct, constant and function with the header.
#![allow(non_camel_case_types)]

use std::os::raw::{c_char, c_int};

pub const HS_OK: i32 = 0;
pub const HS_STALE: i32 = 1;
pub const HS_STALE_HANDLE: i32 = 2;
pub const HS_UNKNOWN_NODE: i32 = 3;
pub const HS_UNKNOWN_FILESYSTEM: i32 = 4;
pub const HS_NOT_ATTACHED: i32 = 5;
pub const HS_WRONG_FILESYSTEM: i32 = 6;
pub const HS_AMBIGUOUS_FILESYSTEM: i32 = 7;
pub const HS_TOO_MANY_FILESYSTEMS: i32 = 8;
pub const HS_NO_HANDLES: i32 = 9;
pub const HS_NOT_OPENABLE: i32 = 10;
pub const HS_NOT_OPENABLE_HANDLE: i32 = 11;
pub const HS_REFUSED: i32 = 20;
pub const HS_NO_EXPORT: i32 = 21;
pub const HS_BAD_EXPORT: i32 = 22;
pub const HS_READ_ONLY_EXPORT: i32 = 23;
pub const HS_UNAVAILABLE: i32 = 24;
pub const HS_TOKEN_TOO_LONG: i32 = 25;
pub const HS_BAD_NAME: i32 = 26;
pub const HS_MOUNT_POINT: i32 = 27;
pub const HS_EXPOSED_KEYS: i32 = 28;
pub const HS_NO_KEYS: i32 = 29;
pub const HS_UNUSABLE_KEYS: i32 = 30;
pub const HS_NO_KEY: i32 = 31;
pub const HS_DAMAGED_FILE: i32 = 32;
pub const HS_FOREIGN_FILE: i32 = 33;
pub const HS_IN_USE: i32 = 40;
pub const HS_ALREADY_OPEN: i32 = 41;
pub const HS_READ_ONLY_STORE: i32 = 42;
pub const HS_CLOSED: i32 = 43;
pub const HS_FORKED: i32 = 44;
pub const HS_NO_STORE: i32 = 45;
pub const HS_NOT_A_STORE: i32 = 46;
pub const HS_UNSUPPORTED_VERSION: i32 = 47;
pub const HS_DAMAGED: i32 = 48;
pub const HS_TORN: i32 = 49;
pub const HS_TORN_COPY: i32 = 50;
pub const HS_SHARED_DATA: i32 = 51;
pub const HS_BAD_VALUE: i32 = 52;
pub const HS_UNEXPECTED: i32 = 53;
pub const HS_DISK_FULL: i32 = 60;
pub const HS_TOO_MANY_OPEN_FILES: i32 = 61;
pub const HS_TOO_MANY_CALLERS: i32 = 62;
pub const HS_NOT_PERMITTED: i32 = 63;
pub const HS_SYSTEM: i32 = 64;
pub const HS_DATABASE: i32 = 65;

pub const HS_REFUSED_LENGTH: i32 = 1;
pub const HS_REFUSED_HANDLE_TYPE: i32 = 2;
pub const HS_REFUSED_VERSION: i32 = 3;
pub const HS_REFUSED_KEY: i32 = 4;
pub const HS_REFUSED_SIGNATURE: i32 = 5;
pub const HS_REFUSED_EXPORT: i32 = 6;
pub const HS_REFUSED_UNKNOWN_NODE: i32 = 7;
pub const HS_REFUSED_STALE: i32 = 8;
pub const HS_REFUSED_REPLACED: i32 = 9;
pub const HS_REFUSED_FILE_TYPE: i32 = 10;
pub const HS_REFUSED_OUTSIDE: i32 = 11;

pub const HS_STATE_LIVE: u32 = 1;
pub const HS_STATE_STALE: u32 = 2;

pub const HS_OUTCOME_CREATED: u32 = 0;
pub const HS_OUTCOME_EXISTING: u32 = 1;
pub const HS_OUTCOME_REPLACED: u32 = 2;
pub const HS_OUTCOME_GONE: u32 = 3;

pub const HS_OPEN_PATH: i32 = 0;
pub const HS_OPEN_READ_ONLY: i32 = 1;
pub const HS_OPEN_WRITE_ONLY: i32 = 2;
pub const HS_OPEN_READ_WRITE: i32 = 3;

pub const HS_DURABILITY_PROCESS: u32 = 0;
pub const HS_DURABILITY_POWER: u32 = 1;

pub const HS_RETAIN_FOREVER: u32 = 0;
pub const HS_RETAIN_SECONDS: u32 = 1;
pub const HS_RETAIN_NODES: u32 = 2;

pub const HS_CONTAINMENT_ANY: i32 = 0;
pub const HS_CONTAINMENT_WHOLE_FILESYSTEM: i32 = 1;
pub const HS_CONTAINMENT_KERNEL: i32 = 2;
pub const HS_CONTAINMENT_CACHED: i32 = 3;
pub const HS_CONTAINMENT_WALK: i32 = 4;

pub const HS_TOKEN_REFERENCE: u32 = 32;
pub const HS_TOKEN_NFS3: u32 = 64;
pub const HS_TOKEN_MAX: u32 = 128;

pub const HS_INTENT_CREATE: u32 = 1;
pub const HS_INTENT_LINK: u32 = 2;
pub const HS_INTENT_REMOVE: u32 = 3;
pub const HS_INTENT_RENAME: u32 = 4;
pub const HS_INTENT_EXCHANGE: u32 = 5;
pub const HS_INTENT_CREATE_ATTRIBUTE: u32 = 6;
pub const HS_INTENT_REMOVE_ATTRIBUTE: u32 = 7;
pub const HS_INTENT_INSERT_RANGE: u32 = 8;
pub const HS_INTENT_COLLAPSE_RANGE: u32 = 9;

/// Declares structs as C lays them out, and lists their members for the test of the layout.
macro_rules! structs {
    ($(struct $name:ident { $($member:ident: $type:ty,)* })*) => {
        $(
            #[repr(C)]
            #[derive(Clone, Copy)]
            pub struct $name { $(pub $member: $type,)* }
        )*

        /// The size of each struct, and the offset and size of each of its members.
        #[cfg(test)]
        pub fn layout() -> Vec<String> {
            let mut lines = Vec::new();
            $(
                let room = std::mem::MaybeUninit::<$name>::uninit();
                let start = room.as_ptr();
                lines.push(format!("{} {}", stringify!($name), std::mem::size_of::<$name>()));
                $(
                    // SAFETY: takes an address and reads nothing.
                    let member = unsafe { std::ptr::addr_of!((*start).$member) };
                    let offset = member as usize - start as usize;
                    let size = std::mem::size_of::<$type>();
                    lines.push(format!("{}.{} {offset} {size}",
                        stringify!($name), stringify!($member)));
                )*
            )*
            lines
        }
    };
}

structs! {
    struct hs_error {
        size: u32,
        code: i32,
        errnum: i32,
        refusal: i32,
        text: [c_char; 4608],
    }
    struct hs_handle {
        length: u32,
        type_: i32,
        bytes: [u8; 128],
    }
    struct hs_file {
        handle: hs_handle,
        inode: u64,
        size: u64,
        device: u64,
        parent: u64,
        mode: u32,
        links: u32,
        reserved: [u64; 4],
    }
    struct hs_node {
        id: u64,
        parent: u64,
        filesystem: u32,
        state: u32,
        type_: u32,
        since: u32,
        handle: hs_handle,
        reserved: [u64; 2],
    }
    struct hs_registration {
        node: u64,
        replaced: u64,
        generation: u32,
        outcome: u32,
    }
    struct hs_store_options {
        size: u32,
        durability: u32,
        read_only: u32,
        retention: u32,
        retention_value: u64,
        cache_size: u64,
        limbo_limit: u64,
    }
    struct hs_token {
        length: u32,
        bytes: [u8; 128],
    }
    struct hs_reference {
        node: u64,
        token: *const hs_token,
    }
    struct hs_attributes {
        uid: u32,
        gid: u32,
        rdev: u64,
        blocks: u64,
        atime: i64,
        mtime: i64,
        ctime: i64,
        atime_nsec: u32,
        mtime_nsec: u32,
        ctime_nsec: u32,
        block_size: u32,
    }
    struct hs_entry {
        file: hs_file,
        attributes: hs_attributes,
        registration: hs_registration,
        token: hs_token,
        fd: i32,
        was_created: u32,
        reserved: [u32; 9],
    }
    struct hs_watch_mask {
        id: u64,
        mask: u32,
        reserved: u32,
    }
    struct hs_sweep_step {
        next: u64,
        present: u64,
        gone: u64,
        skipped: u64,
        count: u64,
        overflowed: u32,
        reserved: u32,
    }
    struct hs_intent {
        operation: u32,
        type_: u32,
        name: *const c_char,
        name_length: usize,
        new_name: *const c_char,
        new_name_length: usize,
        file: *const hs_handle,
        other: *const hs_handle,
        size: u64,
        length: u64,
        reserved: [u64; 3],
    }
    struct hs_statistics {
        size: u32,
        reserved: u32,
        created: u64,
        existing: u64,
        replaced: u64,
        retired: u64,
        dropped: u64,
        gets: u64,
        cache_hits: u64,
        opened: u64,
        compared: u64,
        admitted: u64,
        refused: [u64; 32],
    }
}

/// Declares types of which only the library knows what is in them.
macro_rules! objects {
    ($($name:ident)*) => {
        $(
            #[repr(C)]
            pub struct $name { _private: [u8; 0] }
        )*
    };
}

objects! {
    hs_store
    hs_pins
    hs_export
    hs_journal
    hs_open_files
    hs_parking
    hs_parked_files
    hs_kept_files
}

extern "C" {
    pub fn hs_version() -> *const c_char;
    pub fn hs_strerror(code: c_int) -> *const c_char;
    pub fn hs_store_open(
        path: *const c_char,
        options: *const hs_store_options,
        store: *mut *mut hs_store,
        error: *mut hs_error,
    ) -> c_int;
    pub fn hs_store_open_in_memory(
        options: *const hs_store_options,
        store: *mut *mut hs_store,
        error: *mut hs_error,
    ) -> c_int;
    pub fn hs_store_close(store: *mut hs_store, error: *mut hs_error) -> c_int;
    pub fn hs_store_free(store: *mut hs_store);
    pub fn hs_store_generation(store: *const hs_store) -> u32;
    pub fn hs_attach(
        store: *mut hs_store,
        fd: c_int,
        filesystem: *mut u32,
        error: *mut hs_error,
    ) -> c_int;
    pub fn hs_attach_mounted(
        store: *mut hs_store,
        filesystems: *mut u32,
        capacity: usize,
        count: *mut usize,
        error: *mut hs_error,
    ) -> c_int;
    pub fn hs_detach(store: *mut hs_store, filesystem: u32, error: *mut hs_error) -> c_int;
    pub fn hs_file_of(fd: c_int, parent: u64, file: *mut hs_file, error: *mut hs_error) -> c_int;
    pub fn hs_file_at(
        directory: c_int,
        name: *const c_char,
        length: usize,
        parent: u64,
        file: *mut hs_file,
        error: *mut hs_error,
    ) -> c_int;
    pub fn hs_register(
        store: *mut hs_store,
        filesystem: u32,
        file: *const hs_file,
        pins: *mut hs_pins,
        registration: *mut hs_registration,
        error: *mut hs_error,
    ) -> c_int;
    pub fn hs_register_batch(
        store: *mut hs_store,
        filesystem: u32,
        files: *const hs_file,
        count: usize,
        pins: *mut hs_pins,
        registrations: *mut hs_registration,
        error: *mut hs_error,
    ) -> c_int;
    pub fn hs_get(
        store: *const hs_store,
        node: u64,
        result: *mut hs_node,
        error: *mut hs_error,
    ) -> c_int;
    pub fn hs_find(
        store: *const hs_store,
        filesystem: u32,
        handle: *const hs_handle,
        result: *mut hs_node,
        error: *mut hs_error,
    ) -> c_int;
    pub fn hs_open(
        store: *mut hs_store,
        node: u64,
        mode: c_int,
        fd: *mut c_int,
        error: *mut hs_error,
    ) -> c_int;
    pub fn hs_retire(
        store: *mut hs_store,
        node: u64,
        changed: *mut c_int,
        error: *mut hs_error,
    ) -> c_int;
    pub fn hs_forget(
        store: *mut hs_store,
        node: u64,
        dropped: *mut c_int,
        error: *mut hs_error,
    ) -> c_int;
    pub fn hs_evict(store: *mut hs_store, dropped: *mut u64, error: *mut hs_error) -> c_int;
    pub fn hs_list(
        store: *const hs_store,
        start: u64,
        filesystem: u32,
        state: u32,
        nodes: *mut hs_node,
        capacity: usize,
        count: *mut usize,
        next: *mut u64,
        error: *mut hs_error,
    ) -> c_int;
    pub fn hs_pins_open(
        store: *mut hs_store,
        fd: c_int,
        pins: *mut *mut hs_pins,
        error: *mut hs_error,
    ) -> c_int;
    pub fn hs_pins_free(pins: *mut hs_pins);
    pub fn hs_pin(
        store: *mut hs_store,
        node: u64,
        count: u64,
        pins: *mut hs_pins,
        pinned: *mut c_int,
        error: *mut hs_error,
    ) -> c_int;
    pub fn hs_unpin(
        pins: *mut hs_pins,
        node: u64,
        count: u64,
        left: *mut u64,
        error: *mut hs_error,
    ) -> c_int;
    pub fn hs_unpin_all(pins: *mut hs_pins, error: *mut hs_error) -> c_int;
    pub fn hs_pin_count(
        pins: *const hs_pins,
        node: u64,
        count: *mut u64,
        error: *mut hs_error,
    ) -> c_int;
    pub fn hs_pinned(
        pins: *const hs_pins,
        nodes: *mut u64,
        capacity: usize,
        count: *mut usize,
        error: *mut hs_error,
    ) -> c_int;
    pub fn hs_export_add(
        store: *mut hs_store,
        name: *const c_char,
        roots: *const c_int,
        count: usize,
        read_only: c_int,
        containment: c_int,
        export_: *mut *mut hs_export,
        error: *mut hs_error,
    ) -> c_int;
    pub fn hs_export_open(
        store: *mut hs_store,
        name: *const c_char,
        export_: *mut *mut hs_export,
        error: *mut hs_error,
    ) -> c_int;
    pub fn hs_export_remove(
        store: *mut hs_store,
        name: *const c_char,
        error: *mut hs_error,
    ) -> c_int;
    pub fn hs_export_free(export_: *mut hs_export);
    pub fn hs_export_root(export_: *const hs_export) -> u64;
    pub fn hs_lookup(
        export_: *mut hs_export,
        parent: *const hs_reference,
        name: *const c_char,
        length: usize,
        token_limit: u32,
        pins: *mut hs_pins,
        entry: *mut hs_entry,
        error: *mut hs_error,
    ) -> c_int;
    pub fn hs_lookup_reference(
        export_: *mut hs_export,
        file: *const hs_reference,
        token_limit: u32,
        pins: *mut hs_pins,
        entry: *mut hs_entry,
        error: *mut hs_error,
    ) -> c_int;
    pub fn hs_create_or_open(
        export_: *mut hs_export,
        parent: *const hs_reference,
        name: *const c_char,
        length: usize,
        mode: c_int,
        permissions: u32,
        token_limit: u32,
        pins: *mut hs_pins,
        entry: *mut hs_entry,
        error: *mut hs_error,
    ) -> c_int;
    pub fn hs_open_reference(
        export_: *mut hs_export,
        file: *const hs_reference,
        mode: c_int,
        fd: *mut c_int,
        error: *mut hs_error,
    ) -> c_int;
    pub fn hs_token_of(
        export_: *mut hs_export,
        node: u64,
        token_limit: u32,
        token: *mut hs_token,
        error: *mut hs_error,
    ) -> c_int;
    pub fn hs_copy_up(
        store: *mut hs_store,
        node: u64,
        filesystem: u32,
        copy: *const hs_file,
        registration: *mut hs_registration,
        error: *mut hs_error,
    ) -> c_int;
    pub fn hs_record_move(
        store: *mut hs_store,
        filesystem: u32,
        file: *const hs_file,
        directory: u64,
        node: *mut u64,
        error: *mut hs_error,
    ) -> c_int;
    pub fn hs_watch(
        store: *mut hs_store,
        node: u64,
        mask: u32,
        watcher: u64,
        error: *mut hs_error,
    ) -> c_int;
    pub fn hs_unwatch(
        store: *mut hs_store,
        node: u64,
        watcher: u64,
        ended: *mut c_int,
        error: *mut hs_error,
    ) -> c_int;
    pub fn hs_watchers(
        store: *const hs_store,
        node: u64,
        watchers: *mut hs_watch_mask,
        capacity: usize,
        count: *mut usize,
        error: *mut hs_error,
    ) -> c_int;
    pub fn hs_watched(
        store: *const hs_store,
        start: u64,
        nodes: *mut hs_watch_mask,
        capacity: usize,
        count: *mut usize,
        next: *mut u64,
        error: *mut hs_error,
    ) -> c_int;
    pub fn hs_deletions(
        store: *mut hs_store,
        nodes: *mut u64,
        capacity: usize,
        count: *mut usize,
        overflowed: *mut c_int,
        error: *mut hs_error,
    ) -> c_int;
    pub fn hs_sweep(
        store: *mut hs_store,
        start: u64,
        nodes: *mut u64,
        capacity: usize,
        step: *mut hs_sweep_step,
        error: *mut hs_error,
    ) -> c_int;
    pub fn hs_journal_open(
        fd: c_int,
        capacity: usize,
        journal: *mut *mut hs_journal,
        error: *mut hs_error,
    ) -> c_int;
    pub fn hs_journal_free(journal: *mut hs_journal);
    pub fn hs_journal_note(
        journal: *mut hs_journal,
        request: u64,
        intent: *const hs_intent,
        error: *mut hs_error,
    ) -> c_int;
    pub fn hs_journal_forget(journal: *mut hs_journal, request: u64, error: *mut hs_error)
        -> c_int;
    pub fn hs_journal_find(
        journal: *const hs_journal,
        request: u64,
        operation: *mut u32,
        error: *mut hs_error,
    ) -> c_int;
    pub fn hs_journal_was_done(
        journal: *const hs_journal,
        request: u64,
        directory: c_int,
        new_directory: c_int,
        done: *mut c_int,
        error: *mut hs_error,
    ) -> c_int;
    pub fn hs_journal_attribute_was_done(
        journal: *const hs_journal,
        request: u64,
        has_attribute: c_int,
        done: *mut c_int,
        error: *mut hs_error,
    ) -> c_int;
    pub fn hs_journal_range_was_done(
        journal: *const hs_journal,
        request: u64,
        size: u64,
        done: *mut c_int,
        error: *mut hs_error,
    ) -> c_int;
    pub fn hs_open_files_open(
        fd: c_int,
        fuse: c_int,
        files: *mut *mut hs_open_files,
        error: *mut hs_error,
    ) -> c_int;
    pub fn hs_open_files_free(files: *mut hs_open_files);
    pub fn hs_open_files_add(
        files: *mut hs_open_files,
        number: u64,
        node: u64,
        fd: c_int,
        backing_id: *mut u32,
        error: *mut hs_error,
    ) -> c_int;
    pub fn hs_open_files_remove(
        files: *mut hs_open_files,
        number: u64,
        error: *mut hs_error,
    ) -> c_int;
    pub fn hs_open_files_remove_all(
        files: *mut hs_open_files,
        node: u64,
        error: *mut hs_error,
    ) -> c_int;
    pub fn hs_open_files_find(
        files: *const hs_open_files,
        number: u64,
        node: *mut u64,
        error: *mut hs_error,
    ) -> c_int;
    pub fn hs_open_files_state(
        files: *const hs_open_files,
        node: u64,
        is_open: *mut c_int,
        needs_parking: *mut c_int,
        error: *mut hs_error,
    ) -> c_int;
    pub fn hs_parking_sockets(sockets: *mut c_int, error: *mut hs_error) -> c_int;
    pub fn hs_parking_open(
        socket: c_int,
        parking: *mut *mut hs_parking,
        error: *mut hs_error,
    ) -> c_int;
    pub fn hs_parking_free(parking: *mut hs_parking);
    pub fn hs_park(parking: *mut hs_parking, fd: c_int, node: u64, error: *mut hs_error) -> c_int;
    pub fn hs_unpark(parking: *mut hs_parking, node: u64, error: *mut hs_error) -> c_int;
    pub fn hs_parked_files_open(files: *mut *mut hs_parked_files, error: *mut hs_error) -> c_int;
    pub fn hs_parked_files_free(files: *mut hs_parked_files);
    pub fn hs_parked_files_receive(
        files: *mut hs_parked_files,
        socket: c_int,
        more: *mut c_int,
        error: *mut hs_error,
    ) -> c_int;
    pub fn hs_kept_files_open(
        store: *mut hs_store,
        directory: c_int,
        limit: usize,
        parking: *mut hs_parking,
        kept: *mut *mut hs_kept_files,
        error: *mut hs_error,
    ) -> c_int;
    pub fn hs_kept_files_free(kept: *mut hs_kept_files);
    pub fn hs_kept_files_register(
        kept: *mut hs_kept_files,
        fd: c_int,
        parent: u64,
        pins: *mut hs_pins,
        registration: *mut hs_registration,
        error: *mut hs_error,
    ) -> c_int;
    pub fn hs_kept_files_give_up(
        kept: *mut hs_kept_files,
        node: u64,
        gone: *mut c_int,
        error: *mut hs_error,
    ) -> c_int;
    pub fn hs_kept_files_state(
        kept: *const hs_kept_files,
        root: *mut u64,
        count: *mut usize,
        error: *mut hs_error,
    ) -> c_int;
    pub fn hs_kept_files_least_used(
        kept: *mut hs_kept_files,
        nodes: *mut u64,
        capacity: usize,
        count: *mut usize,
        error: *mut hs_error,
    ) -> c_int;
    pub fn hs_store_statistics(
        store: *const hs_store,
        statistics: *mut hs_statistics,
        error: *mut hs_error,
    ) -> c_int;
    pub fn hs_store_backup(
        store: *mut hs_store,
        path: *const c_char,
        error: *mut hs_error,
    ) -> c_int;
    pub fn hs_store_check(
        path: *const c_char,
        findings: *mut u64,
        text: *mut c_char,
        capacity: usize,
        error: *mut hs_error,
    ) -> c_int;
}
