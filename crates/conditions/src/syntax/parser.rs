//! From words to a tree (`parser/parser.go` of expr).
//!
//! Binding power is climbed as usual; what is unusual follows expr: `not` before an operator in letters, comparisons
//! that chain, `??` that does not mix, calls with a predicate, and literals that take neither a period nor a bracket
//! after them.

use super::ast::{NodeId, NodeKind, Tree};
use super::lexer::{LexError, Lexer};
use super::literal::{self, Number};
use super::operator::{Operator, UnaryOperator};
use super::token::{Token, TokenKind};
use crate::error::{Failure, Fault};
use crate::limits::Limits;
use crate::value::Text;

/// # Errors
/// A word where it does not belong, or a budget exceeded.
pub(crate) fn parse(source: &str, limits: &Limits) -> Result<(Tree, NodeId), Failure> {
    let mut parser = Parser {
        lexer: Lexer::new(source),
        // Replaced by the first word below.
        current: Token {
            kind: TokenKind::Operator,
            text: b"".into(),
            at: 0,
        },
        stashed: None,
        tree: Tree::with_room_for(source),
        limits,
        nodes: 0,
        nesting: 0,
        predicates: 0,
    };
    parser.next()?;
    let root = parser.sequence()?;
    match parser.current.kind {
        TokenKind::Eof => Ok((parser.tree, root)),
        _ => Err(parser.unexpected()),
    }
}

pub(super) struct Parser<'s, 'l> {
    lexer: Lexer<'s>,
    pub(super) current: Token<'s>,
    /// The word after `current`, when one had to be looked at and given back.
    stashed: Option<Token<'s>>,
    pub(super) tree: Tree,
    limits: &'l Limits,
    /// Nodes as expr counts them.
    nodes: usize,
    /// Expressions within each other around the cursor.
    nesting: usize,
    /// Predicates around the cursor; inside one `#` and `.field` mean its element.
    pub(super) predicates: usize,
}

pub(super) type Parsed<T = NodeId> = Result<T, Failure>;

impl<'s> Parser<'s, '_> {
    pub(super) fn next(&mut self) -> Parsed<()> {
        if let Some(token) = self.stashed.take() {
            self.current = token;
            return Ok(());
        }
        if self.current.kind == TokenKind::Eof {
            return Err(self.error("unexpected end of expression"));
        }
        self.current = self
            .lexer
            .next()
            .map_err(|LexError { at, message }| Failure::syntax(at, message))?;
        Ok(())
    }

    pub(super) fn take(&mut self) -> Parsed<Token<'s>> {
        let token = self.current.clone();
        self.next()?;
        Ok(token)
    }

    pub(super) fn error(&self, message: impl Into<String>) -> Failure {
        Failure::syntax(self.current.at, message)
    }

    pub(super) fn unexpected(&self) -> Failure {
        self.error(format!("unexpected token {}", self.current))
    }

    pub(super) fn expect(&mut self, kind: TokenKind, text: &str) -> Parsed<()> {
        if self.current.is(kind, text) {
            self.next()
        } else {
            Err(self.unexpected())
        }
    }

    fn expect_identifier(&mut self) -> Parsed<Token<'s>> {
        if self.current.kind == TokenKind::Identifier {
            self.take()
        } else {
            Err(self.unexpected())
        }
    }

    pub(super) fn add(&mut self, kind: NodeKind, at: u32) -> Parsed {
        self.nodes += 1;
        if self.nodes > self.limits.nodes {
            let message = format!(
                "compilation failed: expression exceeds maximum allowed nodes ({})",
                self.limits.nodes
            );
            return Err(Failure::new(self.current.at, Fault::limit(message)));
        }
        Ok(self.tree.add(kind, at))
    }

    /// Goes one level deeper for as long as `parse` takes.
    fn nested<T>(&mut self, parse: impl FnOnce(&mut Self) -> Parsed<T>) -> Parsed<T> {
        self.nesting += 1;
        if self.nesting > self.limits.depth {
            let message = format!("expression is nested more than {} levels deep", self.limits.depth);
            return Err(Failure::new(self.current.at, Fault::limit(message)));
        }
        let parsed = parse(self)?;
        self.nesting -= 1;
        Ok(parsed)
    }

    /// `a; b; c`
    pub(super) fn sequence(&mut self) -> Parsed {
        let first = self.expression(0)?;
        let mut nodes = vec![first];
        while self.current.is_operator(";") {
            self.next()?;
            if self.current.kind == TokenKind::Eof {
                break;
            }
            nodes.push(self.expression(0)?);
        }
        if nodes.len() == 1 {
            return Ok(first);
        }
        let at = self.tree[first].at;
        self.add(NodeKind::Sequence(nodes), at)
    }

    /// Everything that binds at least this tightly.
    pub(super) fn expression(&mut self, precedence: u32) -> Parsed {
        self.nested(|parser| parser.expression_here(precedence))
    }

    fn expression_here(&mut self, precedence: u32) -> Parsed {
        if precedence == 0 && self.current.is_operator("let") {
            return self.declaration();
        }
        if precedence == 0 && self.current.is_operator("if") {
            return self.conditional_if();
        }
        let mut left = self.primary()?;
        let mut after_coalesce = false;
        while self.current.kind == TokenKind::Operator {
            let mut operator = self.current.clone();
            let negated = operator.is_operator("not");
            if negated {
                self.next()?;
                let Some(allowed) = Operator::parse(&self.current.text).filter(|found| found.is_negatable())
                else {
                    return Err(self.unexpected());
                };
                if allowed.precedence() < precedence {
                    self.stashed = Some(std::mem::replace(&mut self.current, operator));
                    break;
                }
                operator = self.current.clone();
            }
            if operator.is_operator("|") {
                if precedence > 0 {
                    break;
                }
                self.next()?;
                let name = self.expect_identifier()?;
                left = self.call(&name, vec![left], true)?;
                after_coalesce = false;
                continue;
            }
            let Some(found) =
                Operator::parse(&operator.text).filter(|found| found.precedence() >= precedence)
            else {
                break;
            };
            self.next()?;
            if after_coalesce && found != Operator::Coalesce {
                let message = format!(
                    "operator ({found}) and coalesce expressions (??) cannot be mixed: wrap either in parentheses"
                );
                return Err(Failure::syntax(operator.at, message));
            }
            if found.is_comparison() {
                left = self.comparison(left, found, operator.at)?;
            } else {
                let tighter = u32::from(!found.is_right_associative());
                let right = self.expression(found.precedence() + tighter)?;
                left = self.add(
                    NodeKind::Binary {
                        operator: found,
                        left,
                        right,
                    },
                    operator.at,
                )?;
                if negated {
                    left = self.add(
                        NodeKind::Unary {
                            operator: UnaryOperator::NotWord,
                            node: left,
                        },
                        operator.at,
                    )?;
                }
            }
            after_coalesce = found == Operator::Coalesce;
        }
        if precedence == 0 {
            self.ternary(left)
        } else {
            Ok(left)
        }
    }

    /// `0 < x <= 5` is `0 < x && x <= 5`, with one `x`.
    fn comparison(&mut self, left: NodeId, operator: Operator, at: u32) -> Parsed {
        let (mut left, mut operator, mut at) = (left, operator, at);
        let mut chain = None;
        loop {
            let right = self.expression(operator.precedence() + 1)?;
            let link = self.add(
                NodeKind::Binary {
                    operator,
                    left,
                    right,
                },
                at,
            )?;
            let whole = match chain {
                None => link,
                Some(before) => self.add(
                    NodeKind::Binary {
                        operator: Operator::And,
                        left: before,
                        right: link,
                    },
                    at,
                )?,
            };
            chain = Some(whole);
            left = right;
            match Operator::parse(&self.current.text).filter(|found| found.is_comparison()) {
                Some(found) if self.current.kind == TokenKind::Operator => {
                    (operator, at) = (found, self.current.at);
                    self.next()?;
                }
                _ => return Ok(whole),
            }
        }
    }

    /// `let name = value; …`
    fn declaration(&mut self) -> Parsed {
        self.expect(TokenKind::Operator, "let")?;
        let name = self.expect_identifier()?;
        self.expect(TokenKind::Operator, "=")?;
        let value = self.expression(0)?;
        self.expect(TokenKind::Operator, ";")?;
        let body = self.sequence()?;
        self.add(
            NodeKind::Let {
                name: text(&name),
                value,
                body,
            },
            name.at,
        )
    }

    /// `if … { … } else { … }`
    fn conditional_if(&mut self) -> Parsed {
        self.next()?;
        let condition = self.expression(0)?;
        self.expect(TokenKind::Bracket, "{")?;
        let then = self.sequence()?;
        self.expect(TokenKind::Bracket, "}")?;
        self.expect(TokenKind::Operator, "else")?;
        let otherwise = if self.current.is_operator("if") {
            self.nested(Self::conditional_if)?
        } else {
            self.expect(TokenKind::Bracket, "{")?;
            let otherwise = self.sequence()?;
            self.expect(TokenKind::Bracket, "}")?;
            otherwise
        };
        // expr neither counts this node nor gives it a place; the condition's is the better one.
        let at = self.tree[condition].at;
        Ok(self.tree.add(
            NodeKind::Conditional {
                is_ternary: false,
                condition,
                then,
                otherwise,
            },
            at,
        ))
    }

    /// `… ? … : …` and `… ?: …`
    fn ternary(&mut self, condition: NodeId) -> Parsed {
        let mut node = condition;
        while self.current.is_operator("?") {
            self.next()?;
            let then = if self.current.is_operator(":") {
                node
            } else {
                self.expression(0)?
            };
            self.expect(TokenKind::Operator, ":")?;
            let otherwise = self.expression(0)?;
            let at = self.current.at;
            node = self.add(
                NodeKind::Conditional {
                    is_ternary: true,
                    condition: node,
                    then,
                    otherwise,
                },
                at,
            )?;
        }
        Ok(node)
    }

    fn primary(&mut self) -> Parsed {
        let token = self.current.clone();
        if token.kind == TokenKind::Operator
            && let Some(operator) = UnaryOperator::parse(&token.text)
        {
            self.next()?;
            let node = self.expression(operator.precedence())?;
            let node = self.add(NodeKind::Unary { operator, node }, token.at)?;
            return self.postfix(node);
        }
        if token.is_bracket("(") {
            self.next()?;
            let node = self.sequence()?;
            self.expect(TokenKind::Bracket, ")")?;
            return self.postfix(node);
        }
        if self.predicates > 0 && (token.is_operator("#") || token.is_operator(".")) {
            let mut name = Text::from("");
            if token.is_operator("#") {
                self.next()?;
                if self.current.kind == TokenKind::Identifier {
                    name = text(&self.take()?);
                }
            }
            let node = self.add(NodeKind::Pointer(name), token.at)?;
            return self.postfix(node);
        }
        if token.is_operator("::") {
            self.next()?;
            let name = self.expect_identifier()?;
            let node = self.call(&name, Vec::new(), false)?;
            return self.postfix(node);
        }
        self.secondary(&token)
    }

    fn secondary(&mut self, token: &Token<'s>) -> Parsed {
        let node = match token.kind {
            TokenKind::Identifier => {
                self.next()?;
                match &*token.text {
                    b"true" => return self.add(NodeKind::Bool(true), token.at),
                    b"false" => return self.add(NodeKind::Bool(false), token.at),
                    b"nil" => return self.add(NodeKind::Nil, token.at),
                    _ if self.current.is_bracket("(") => self.call(token, Vec::new(), true)?,
                    _ => self.add(NodeKind::Identifier(text(token)), token.at)?,
                }
            }
            TokenKind::Number => {
                self.next()?;
                let literal = String::from_utf8_lossy(&token.text);
                let number = literal::number(&literal).map_err(|why| Failure::syntax(token.at, why))?;
                let kind = match number {
                    Number::Integer(n) => NodeKind::Integer(n),
                    Number::Float(x) => NodeKind::Float(x),
                };
                return self.add(kind, token.at);
            }
            TokenKind::String => {
                self.next()?;
                self.add(NodeKind::Text(text(token)), token.at)?
            }
            TokenKind::Bracket if *token.text == *b"[" => self.array(token.at)?,
            TokenKind::Bracket if *token.text == *b"{" => self.map(token.at)?,
            _ => return Err(self.unexpected()),
        };
        self.postfix(node)
    }

    fn array(&mut self, at: u32) -> Parsed {
        self.next()?;
        let nodes = self.list("]")?;
        self.add(NodeKind::Array(nodes), at)
    }

    fn map(&mut self, at: u32) -> Parsed {
        self.next()?;
        let mut pairs = Vec::new();
        while !self.current.is_bracket("}") {
            if !pairs.is_empty() {
                self.expect(TokenKind::Operator, ",")?;
                if self.current.is_bracket("}") {
                    break;
                }
                if self.current.is_operator(",") {
                    return Err(self.unexpected());
                }
            }
            let key = match self.current.kind {
                TokenKind::Number | TokenKind::String | TokenKind::Identifier => {
                    let key = self.current.clone();
                    let node = self.add(NodeKind::Text(text(&key)), key.at)?;
                    self.next()?;
                    node
                }
                TokenKind::Bracket if self.current.is_bracket("(") => self.expression(0)?,
                _ => {
                    return Err(self.error(format!(
                        "a map key must be a quoted string, a number, a identifier, or an expression enclosed in \
                         parentheses (unexpected token {})",
                        self.current
                    )));
                }
            };
            self.expect(TokenKind::Operator, ":")?;
            let value = self.expression(0)?;
            pairs.push(self.add(NodeKind::Pair { key, value }, at)?);
        }
        self.next()?;
        self.add(NodeKind::Map(pairs), at)
    }
}

pub(super) fn text(token: &Token<'_>) -> Text {
    Text::new(&*token.text)
}
