use std::fmt;
use std::marker::PhantomData;
use std::ptr::null;

use crate::ffi;
use crate::node::NodeId;
use crate::values::Hex;

/// What a client is given to name a file: signed bytes, which the gate of the export checks.
#[derive(Clone, Copy)]
#[repr(transparent)]
pub struct Token(pub(crate) ffi::hs_token);

impl Token {
    /// Takes over bytes that a client sent. Any bytes will do: the gate refuses what is not a token.
    pub fn new(bytes: &[u8]) -> Token {
        let mut token = ffi::hs_token { length: 0, bytes: [0; 128] };
        // A length that is too large stays so, and is refused.
        token.length = u32::try_from(bytes.len()).unwrap_or(u32::MAX);
        let room = bytes.len().min(token.bytes.len());
        token.bytes[..room].copy_from_slice(&bytes[..room]);
        Token(token)
    }

    /// The bytes to give to the client.
    pub fn bytes(&self) -> &[u8] {
        &self.0.bytes[..(self.0.length as usize).min(self.0.bytes.len())]
    }
}

impl PartialEq for Token {
    fn eq(&self, other: &Token) -> bool {
        (self.0.length, self.bytes()) == (other.0.length, other.bytes())
    }
}

impl Eq for Token {}

impl fmt::Debug for Token {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "Token({})", Hex(self.bytes()))
    }
}

/// How long a token may be, and so what it contains.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum TokenForm {
    /// 32 bytes that name the node; valid for this store only.
    Reference,
    /// At most so many bytes, 64 to 128, that contain the file's handle.
    AtMost(u32),
}

impl TokenForm {
    /// At most 64 bytes, as in NFSv3.
    pub const NFS3: TokenForm = TokenForm::AtMost(ffi::HS_TOKEN_NFS3);
    /// As long as a token can be: 128 bytes.
    pub const MAX: TokenForm = TokenForm::AtMost(ffi::HS_TOKEN_MAX);

    /// The limit to pass to the library. It refuses limits that are out of their range.
    pub(crate) fn limit(self) -> u32 {
        match self {
            TokenForm::Reference => ffi::HS_TOKEN_REFERENCE,
            TokenForm::AtMost(ffi::HS_TOKEN_REFERENCE) => 0,
            TokenForm::AtMost(limit) => limit,
        }
    }
}

/// What a client names. A node id or a token converts into one.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Reference<'a> {
    /// A node; [`NodeId::ROOT`] is the export's root.
    Node(NodeId),
    /// A token.
    Token(&'a Token),
    /// Both: the token counts if the node is unknown, or no longer leads to the file.
    NodeOrToken(NodeId, &'a Token),
}

impl From<NodeId> for Reference<'_> {
    fn from(node: NodeId) -> Self {
        Reference::Node(node)
    }
}

impl<'a> From<&'a Token> for Reference<'a> {
    fn from(token: &'a Token) -> Self {
        Reference::Token(token)
    }
}

/// A reference as the library reads it, which lives no longer than its token.
pub(crate) struct RawReference<'a>(ffi::hs_reference, PhantomData<&'a Token>);

impl<'a> RawReference<'a> {
    pub(crate) fn new(reference: Reference<'a>) -> Self {
        let (node, token) = match reference {
            Reference::Node(node) => (node.0, null()),
            Reference::Token(token) => (0, &token.0 as *const ffi::hs_token),
            Reference::NodeOrToken(node, token) => (node.0, &token.0 as *const ffi::hs_token),
        };
        RawReference(ffi::hs_reference { node, token }, PhantomData)
    }

    pub(crate) fn pointer(&self) -> *const ffi::hs_reference {
        &self.0
    }
}
