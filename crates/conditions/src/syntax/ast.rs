//! The tree of a condition.

use super::operator::{Operator, UnaryOperator};
use crate::builtins::Builtin;
use crate::types::Type;
use crate::value::{Datum, Text};

/// The place of a node in its [`Tree`].
///
/// Nodes lie in one vector instead of within each other: a condition may nest thousands deep, and a boxed tree of that
/// depth overflows the stack when it is dropped.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct NodeId(u32);

#[derive(Clone, Debug)]
pub(crate) struct Node {
    pub(crate) kind: NodeKind,
    /// Where its most telling word begins, in characters from the start of the condition.
    pub(crate) at: u32,
    /// `None` where only the run will tell, and for nil.
    pub(crate) ty: Option<Type>,
    /// Whether the checker knows the value to be nil.
    pub(crate) is_nil: bool,
}

#[derive(Clone, Debug)]
pub(crate) enum NodeKind {
    Nil,
    Identifier(Text),
    Integer(i64),
    Float(f64),
    Bool(bool),
    Text(Text),
    /// A list or set that the optimizer computed.
    Constant(Datum),
    Unary {
        operator: UnaryOperator,
        node: NodeId,
    },
    Binary {
        operator: Operator,
        left: NodeId,
        right: NodeId,
    },
    /// `a?.b.c`: nil as soon as what stands before a `?.` is nil
    Chain(NodeId),
    Member {
        node: NodeId,
        property: NodeId,
        optional: bool,
        is_method: bool,
    },
    Slice {
        node: NodeId,
        from: Option<NodeId>,
        to: Option<NodeId>,
    },
    Call {
        callee: NodeId,
        arguments: Vec<NodeId>,
    },
    Builtin(BuiltinCall),
    Predicate(NodeId),
    /// `#`, `#index`, `#acc`
    Pointer(Text),
    Let {
        name: Text,
        value: NodeId,
        body: NodeId,
    },
    Sequence(Vec<NodeId>),
    Conditional {
        is_ternary: bool,
        condition: NodeId,
        then: NodeId,
        otherwise: NodeId,
    },
    Array(Vec<NodeId>),
    Map(Vec<NodeId>),
    Pair {
        key: NodeId,
        value: NodeId,
    },
}

#[derive(Clone, Debug)]
pub(crate) struct BuiltinCall {
    pub(crate) builtin: Builtin,
    pub(crate) arguments: Vec<NodeId>,
    /// `filter(…)[0]`, rewritten to `find`, fails where nothing is found.
    pub(crate) throws: bool,
    /// `map(filter(…), …)`, rewritten to one loop.
    pub(crate) map: Option<NodeId>,
}

#[derive(Debug, Default)]
pub(crate) struct Tree {
    nodes: Vec<Node>,
}

impl Tree {
    /// An empty tree that seldom has to grow: most words have three letters or more with the blank behind them.
    pub(crate) fn with_room_for(source: &str) -> Self {
        const MOST: usize = 64;
        Self {
            nodes: Vec::with_capacity(MOST.min(source.len() / 3)),
        }
    }

    /// Number of nodes, also of those that are no longer reached.
    pub(crate) fn len(&self) -> usize {
        self.nodes.len()
    }

    pub(crate) fn add(&mut self, kind: NodeKind, at: u32) -> NodeId {
        // The parser stops at its node budget, and the optimizer adds a few nodes to each.
        let id = NodeId(u32::try_from(self.nodes.len()).expect("a tree is bounded by its node budget"));
        self.nodes.push(Node {
            kind,
            at,
            ty: None,
            is_nil: false,
        });
        id
    }

    pub(crate) fn kind(&self, id: NodeId) -> &NodeKind {
        &self[id].kind
    }

    /// Whether any node is of this kind, be it one that is no longer reached.
    pub(crate) fn has(&self, wanted: impl Fn(&NodeKind) -> bool) -> bool {
        self.nodes.iter().any(|node| wanted(&node.kind))
    }

    /// The text of a string literal.
    pub(crate) fn literal_text(&self, id: NodeId) -> Option<&Text> {
        match self.kind(id) {
            NodeKind::Text(text) => Some(text),
            _ => None,
        }
    }

    pub(crate) fn identifier(&self, id: NodeId) -> Option<&Text> {
        match self.kind(id) {
            NodeKind::Identifier(name) => Some(name),
            _ => None,
        }
    }
}

impl std::ops::Index<NodeId> for Tree {
    type Output = Node;
    fn index(&self, id: NodeId) -> &Node {
        &self.nodes[id.0 as usize]
    }
}

impl std::ops::IndexMut<NodeId> for Tree {
    fn index_mut(&mut self, id: NodeId) -> &mut Node {
        &mut self.nodes[id.0 as usize]
    }
}

impl NodeKind {
    pub(crate) fn has_children(&self) -> bool {
        let mut has = false;
        self.each_child(|_| has = true);
        has
    }

    /// Calls `each` with every child, except the loop body that the optimizer moved into a `filter`.
    pub(crate) fn each_child(&self, mut each: impl FnMut(NodeId)) {
        match self {
            Self::Nil
            | Self::Identifier(_)
            | Self::Integer(_)
            | Self::Float(_)
            | Self::Bool(_)
            | Self::Text(_)
            | Self::Constant(_)
            | Self::Pointer(_) => {}
            Self::Unary { node, .. } | Self::Chain(node) | Self::Predicate(node) => each(*node),
            Self::Binary { left, right, .. } => [*left, *right].into_iter().for_each(each),
            Self::Member { node, property, .. } => [*node, *property].into_iter().for_each(each),
            Self::Slice { node, from, to } => {
                each(*node);
                from.iter().chain(to).copied().for_each(each);
            }
            Self::Call { callee, arguments } => {
                each(*callee);
                arguments.iter().copied().for_each(each);
            }
            Self::Builtin(call) => call.arguments.iter().copied().for_each(each),
            Self::Let { value, body, .. } => [*value, *body].into_iter().for_each(each),
            Self::Sequence(nodes) | Self::Array(nodes) | Self::Map(nodes) => {
                nodes.iter().copied().for_each(each);
            }
            Self::Conditional {
                condition,
                then,
                otherwise,
                ..
            } => {
                [*condition, *then, *otherwise].into_iter().for_each(each);
            }
            Self::Pair { key, value } => [*key, *value].into_iter().for_each(each),
        }
    }
}
