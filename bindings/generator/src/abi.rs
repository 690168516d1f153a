//! The ABI as values: what the sources declare and the outputs are written from.

/// Everything the library offers, in source order.
#[derive(Debug, Default)]
pub(crate) struct Abi {
    pub(crate) constants: Vec<Item<Constant>>,
    pub(crate) structs: Vec<Item<Struct>>,
    /// Structs without `repr(C)`: opaque, seen only behind pointers.
    pub(crate) handles: Vec<Item<()>>,
    pub(crate) functions: Vec<Item<Function>>,
}

/// One declaration with what all kinds have in common.
#[derive(Debug)]
pub(crate) struct Item<T> {
    pub(crate) name: String,
    pub(crate) docs: Vec<String>,
    /// Declared below `testing/`: absent in the shipped library.
    pub(crate) testing: bool,
    pub(crate) what: T,
}

/// An integer constant, evaluated.
#[derive(Debug)]
pub(crate) struct Constant {
    pub(crate) ty: Integer,
    pub(crate) value: i128,
}

/// A `repr(C)` struct.
#[derive(Debug)]
pub(crate) struct Struct {
    pub(crate) fields: Vec<Variable>,
}

/// An exported function.
#[derive(Debug)]
pub(crate) struct Function {
    pub(crate) parameters: Vec<Variable>,
    /// `None` is `void`.
    pub(crate) result: Option<Type>,
}

/// A field or a parameter.
#[derive(Debug)]
pub(crate) struct Variable {
    pub(crate) name: String,
    pub(crate) docs: Vec<String>,
    pub(crate) ty: Type,
}

/// A type that may stand in a signature or a struct.
#[derive(Clone, Debug, PartialEq)]
pub(crate) enum Type {
    Integer(Integer),
    /// `c_void`, behind a pointer only.
    Void,
    Pointer {
        mutable: bool,
        target: Box<Self>,
    },
    /// A struct or a handle, by its Rust name.
    Named(String),
}

/// The integers of the ABI.
#[derive(Clone, Copy, Debug, PartialEq)]
pub(crate) enum Integer {
    I8,
    U8,
    I16,
    U16,
    I32,
    U32,
    I64,
    U64,
    Usize,
}

impl Integer {
    /// The integer with this Rust name.
    pub(crate) fn from_rust(name: &str) -> Option<Self> {
        Some(match name {
            "i8" => Self::I8,
            "u8" => Self::U8,
            "i16" => Self::I16,
            "u16" => Self::U16,
            "i32" => Self::I32,
            "u32" => Self::U32,
            "i64" => Self::I64,
            "u64" => Self::U64,
            "usize" => Self::Usize,
            _ => return None,
        })
    }

    /// Its Rust name.
    pub(crate) const fn rust(self) -> &'static str {
        match self {
            Self::I8 => "i8",
            Self::U8 => "u8",
            Self::I16 => "i16",
            Self::U16 => "u16",
            Self::I32 => "i32",
            Self::U32 => "u32",
            Self::I64 => "i64",
            Self::U64 => "u64",
            Self::Usize => "usize",
        }
    }

    /// Its C# name. A `nuint` can not be a C# constant, so a length is a `ulong` there.
    pub(crate) const fn csharp_constant(self) -> &'static str {
        match self {
            Self::I8 => "sbyte",
            Self::U8 => "byte",
            Self::I16 => "short",
            Self::U16 => "ushort",
            Self::I32 => "int",
            Self::U32 => "uint",
            Self::I64 => "long",
            Self::U64 | Self::Usize => "ulong",
        }
    }

    /// The smallest and the largest value.
    pub(crate) const fn range(self) -> (i128, i128) {
        match self {
            Self::I8 => (i8::MIN as i128, i8::MAX as i128),
            Self::U8 => (0, u8::MAX as i128),
            Self::I16 => (i16::MIN as i128, i16::MAX as i128),
            Self::U16 => (0, u16::MAX as i128),
            Self::I32 => (i32::MIN as i128, i32::MAX as i128),
            Self::U32 => (0, u32::MAX as i128),
            Self::I64 => (i64::MIN as i128, i64::MAX as i128),
            Self::U64 | Self::Usize => (0, u64::MAX as i128),
        }
    }
}
