//! Declarations, parsed into trees.

use super::lexer::{Lexer, Place, Token};
use super::types::Method;
use crate::Error;

pub(super) struct Declarations {
    /// Empty, or the package's name.
    pub(super) package: String,
    pub(super) types: Vec<Declaration>,
    /// Names for interface values: the name, the type, and where.
    pub(super) registered: Vec<(String, Expr, Place)>,
}

pub(super) struct Declaration {
    pub(super) name: String,
    pub(super) place: Place,
    pub(super) definition: Definition,
}

pub(super) enum Definition {
    /// `type T expr`
    Type(Expr),
    /// `type T = expr`
    Alias(Expr),
    /// `type T gob.GobEncoder` and the like.
    Opaque(Method),
}

/// A type as it is written.
#[derive(Clone)]
pub(super) enum Expr {
    Name(String, Place),
    Interface,
    Pointer(Box<Expr>),
    Slice(Box<Expr>),
    Array(u64, Box<Expr>),
    Map(Box<Expr>, Box<Expr>),
    Struct(Vec<FieldExpr>),
}

#[derive(Clone)]
pub(super) struct FieldExpr {
    pub(super) name: String,
    pub(super) place: Place,
    pub(super) expr: Expr,
}

/// Types written inside each other; more than any human writes, less than a stack holds.
const DEEPEST: usize = 64;

pub(super) fn parse(text: &str) -> Result<Declarations, Error> {
    let mut lexer = Lexer::new(text);
    let (token, place) = lexer.next()?;
    let mut parser = Parser {
        lexer,
        token,
        place,
        depth: 0,
    };
    let mut all = Declarations {
        package: String::new(),
        types: Vec::new(),
        registered: Vec::new(),
    };
    while parser.token != Token::End {
        parser.declaration(&mut all)?;
        if parser.token != Token::End {
            parser.sign(';', "the end of the line")?;
        }
    }
    Ok(all)
}

struct Parser<'t> {
    lexer: Lexer<'t>,
    /// The token that comes next, and where it stands.
    token: Token,
    place: Place,
    depth: usize,
}

impl Parser<'_> {
    fn declaration(&mut self, all: &mut Declarations) -> Result<(), Error> {
        let place = self.place;
        match self.token.clone() {
            // An empty line after a semicolon.
            Token::Sign(';') => Ok(()),
            Token::Name(word) => match word.as_str() {
                "type" => {
                    self.next()?;
                    self.group(|parser| parser.type_spec(all))
                }
                "package" => {
                    self.next()?;
                    all.package = self.name("a package's name")?;
                    Ok(())
                }
                "import" => {
                    self.next()?;
                    self.group(Self::import_spec)
                }
                "gob.RegisterName" => {
                    self.next()?;
                    self.register(all)
                }
                _ => Err(place.error(format!(
                    "expected type, package, import or gob.RegisterName, found {word}"
                ))),
            },
            _ => Err(self.unexpected("a declaration")),
        }
    }

    /// One item, or several in parentheses.
    fn group(&mut self, mut item: impl FnMut(&mut Self) -> Result<(), Error>) -> Result<(), Error> {
        if !self.accept('(')? {
            return item(self);
        }
        while !self.accept(')')? {
            if !self.accept(';')? {
                item(self)?;
            }
        }
        Ok(())
    }

    fn import_spec(&mut self) -> Result<(), Error> {
        if let Token::Name(_) = self.token {
            self.next()?;
        }
        match self.token {
            Token::Text(_) => self.next(),
            _ => Err(self.unexpected("the path of an import")),
        }
    }

    fn type_spec(&mut self, all: &mut Declarations) -> Result<(), Error> {
        let place = self.place;
        let name = self.name("the name of a type")?;
        let definition = if self.accept('=')? {
            Definition::Alias(self.expr()?)
        } else if let Some(method) = self.method() {
            self.next()?;
            Definition::Opaque(method)
        } else {
            Definition::Type(self.expr()?)
        };
        all.types.push(Declaration {
            name,
            place,
            definition,
        });
        Ok(())
    }

    fn method(&self) -> Option<Method> {
        let Token::Name(word) = &self.token else {
            return None;
        };
        match word.as_str() {
            "gob.GobEncoder" => Some(Method::GobEncode),
            "encoding.BinaryMarshaler" => Some(Method::MarshalBinary),
            "encoding.TextMarshaler" => Some(Method::MarshalText),
            _ => None,
        }
    }

    /// `("name", T{})`; the braces may be left out.
    fn register(&mut self, all: &mut Declarations) -> Result<(), Error> {
        self.sign('(', "(")?;
        let place = self.place;
        let Token::Text(name) = self.token.clone() else {
            return Err(self.unexpected("the name to register, in quotes"));
        };
        self.next()?;
        self.sign(',', ",")?;
        let expr = self.expr()?;
        if self.accept('{')? {
            self.sign('}', "}")?;
        }
        self.sign(')', ")")?;
        all.registered.push((name, expr, place));
        Ok(())
    }

    fn expr(&mut self) -> Result<Expr, Error> {
        if self.depth == DEEPEST {
            return Err(self
                .place
                .error(format!("more than {DEEPEST} types inside each other")));
        }
        self.depth += 1;
        let expr = self.bounded_expr();
        self.depth -= 1;
        expr
    }

    fn bounded_expr(&mut self) -> Result<Expr, Error> {
        let place = self.place;
        if self.accept('*')? {
            return Ok(Expr::Pointer(Box::new(self.expr()?)));
        }
        if self.accept('[')? {
            if self.accept(']')? {
                return Ok(Expr::Slice(Box::new(self.expr()?)));
            }
            let Token::Number(len) = self.token else {
                return Err(self.unexpected("] or the length of an array"));
            };
            self.next()?;
            self.sign(']', "]")?;
            return Ok(Expr::Array(len, Box::new(self.expr()?)));
        }
        let Token::Name(word) = self.token.clone() else {
            return Err(self.unexpected("a type"));
        };
        self.next()?;
        match word.as_str() {
            "map" => {
                self.sign('[', "[")?;
                let key = self.expr()?;
                self.sign(']', "]")?;
                Ok(Expr::Map(Box::new(key), Box::new(self.expr()?)))
            }
            "struct" => self.fields().map(Expr::Struct),
            "interface" => self.methods(),
            "func" | "chan" => Err(place.error(format!("a {word} does not travel: leave the field out"))),
            _ => Ok(Expr::Name(word, place)),
        }
    }

    /// What an interface demands does not matter: all of them travel alike.
    fn methods(&mut self) -> Result<Expr, Error> {
        self.sign('{', "{")?;
        let mut open = 1;
        while open > 0 {
            match self.token {
                Token::Sign('{') => open += 1,
                Token::Sign('}') => open -= 1,
                Token::End => return Err(self.unexpected("}")),
                _ => {}
            }
            self.next()?;
        }
        Ok(Expr::Interface)
    }

    fn fields(&mut self) -> Result<Vec<FieldExpr>, Error> {
        self.sign('{', "{")?;
        let mut fields = Vec::new();
        while !self.accept('}')? {
            if self.accept(';')? {
                continue;
            }
            self.field(&mut fields)?;
            if let Token::Text(_) = self.token {
                self.next()?;
            }
            if self.token != Token::Sign('}') {
                self.sign(';', "; or }")?;
            }
        }
        Ok(fields)
    }

    /// `A, B T`, or an embedded `T` or `*T`, which is a field named after the type.
    fn field(&mut self, fields: &mut Vec<FieldExpr>) -> Result<(), Error> {
        let place = self.place;
        if self.accept('*')? {
            let place = self.place;
            let name = self.name("the embedded type")?;
            let expr = Expr::Pointer(Box::new(Expr::Name(name.clone(), place)));
            fields.push(FieldExpr {
                name: last_part(&name),
                place,
                expr,
            });
            return Ok(());
        }
        let first = self.name("the name of a field or }")?;
        if matches!(self.token, Token::Sign(';' | '}') | Token::Text(_)) {
            fields.push(FieldExpr {
                name: last_part(&first),
                place,
                expr: Expr::Name(first, place),
            });
            return Ok(());
        }
        let mut names = vec![(first, place)];
        while self.accept(',')? {
            let place = self.place;
            names.push((self.name("the name of a field")?, place));
        }
        let expr = self.expr()?;
        fields.extend(names.into_iter().map(|(name, place)| FieldExpr {
            name,
            place,
            expr: expr.clone(),
        }));
        Ok(())
    }

    fn name(&mut self, what: &str) -> Result<String, Error> {
        let Token::Name(name) = self.token.clone() else {
            return Err(self.unexpected(what));
        };
        self.next()?;
        Ok(name)
    }

    fn sign(&mut self, sign: char, what: &str) -> Result<(), Error> {
        if self.accept(sign)? {
            Ok(())
        } else {
            Err(self.unexpected(what))
        }
    }

    fn accept(&mut self, sign: char) -> Result<bool, Error> {
        let found = self.token == Token::Sign(sign);
        if found {
            self.next()?;
        }
        Ok(found)
    }

    fn next(&mut self) -> Result<(), Error> {
        (self.token, self.place) = self.lexer.next()?;
        Ok(())
    }

    fn unexpected(&self, expected: &str) -> Error {
        let found = match &self.token {
            Token::Name(name) => name.clone(),
            Token::Number(number) => number.to_string(),
            Token::Text(text) => format!("{text:?}"),
            Token::Sign(';') => "the end of the line".to_owned(),
            Token::Sign(sign) => sign.to_string(),
            Token::End => "the end of the text".to_owned(),
        };
        self.place.error(format!("expected {expected}, found {found}"))
    }
}

fn last_part(name: &str) -> String {
    name.rsplit('.').next().unwrap_or(name).to_owned()
}
