//! Writes the C# side: declarations and structs with interoptopus, constants by hand.
//!
//! interoptopus is used for its C# backend only. The functions stay plain `extern "C"`; here they
//! are described to it, as are the structs, from the same sources the header comes from.

use std::ffi::c_void;
use std::fmt::Write as _;

use interoptopus::inventory::{FunctionId, RustInventory, TypeId, hash_str};
use interoptopus::lang::function::{Argument, Function, Signature};
use interoptopus::lang::meta::{Docs, Emission, FileEmission, Module, Visibility};
use interoptopus::lang::types::{
    Field, Repr, Struct, Type as Described, TypeInfo, TypeKind, type_id_ptr, type_id_ptr_mut,
};
use interoptopus_csharp::RustLibrary;
use interoptopus_csharp::config::HeaderConfig;
use interoptopus_csharp::dispatch::{Dispatch, ItemKind};
use interoptopus_csharp::output::Target;

use crate::Outcome;
use crate::abi::{Abi, Integer, Type};

const NAMESPACE: &str = "ZB.MOM.NatsNet.Server.Native";
const NATIVE: &str = "Nrg.Native.cs";
const TESTING: &str = "Nrg.Testing.cs";

/// The two files of declarations.
pub(crate) struct Declarations {
    pub(crate) native: String,
    pub(crate) testing: String,
}

/// Declarations and structs of the whole ABI.
pub(crate) fn declarations(abi: &Abi) -> Outcome<Declarations> {
    let for_tests: Vec<String> = abi
        .functions
        .iter()
        .map(|item| (&item.name, item.testing))
        .chain(abi.structs.iter().map(|item| (&item.name, item.testing)))
        .filter(|(_, testing)| *testing)
        .map(|(name, _)| name.clone())
        .collect();
    let dispatch = Dispatch::custom(move |item, _| {
        let name = match &item.kind {
            ItemKind::Function(_, function) => &function.name,
            ItemKind::Type(_, ty) => &ty.name,
            ItemKind::PluginInterface | ItemKind::PluginStub => "",
        };
        let file = if for_tests.iter().any(|known| known == name) {
            TESTING
        } else {
            NATIVE
        };
        Target::new(file, NAMESPACE)
    });
    let buffers = RustLibrary::builder(inventory(abi))
        .dll_name("natsraft")
        .dispatch(dispatch)
        .headers(HeaderConfig {
            emit_version: false,
        })
        .build()
        .process()
        .map_err(|error| format!("interoptopus: {error}"))?;
    let file = |name: &str| -> Outcome<String> {
        let text = buffers
            .buffer(name)
            .ok_or_else(|| format!("interoptopus wrote no {name}"))?;
        Ok(make_internal(text))
    };
    // Both files are parts of one class; a constant can only be in one of them.
    let testing = file(TESTING)?.replace("    public const string NativeLib = \"natsraft\";\n", "");
    Ok(Declarations {
        native: file(NATIVE)?,
        testing,
    })
}

/// Describes the ABI to interoptopus.
fn inventory(abi: &Abi) -> RustInventory {
    let mut inventory = RustInventory::new();
    for item in &abi.structs {
        let fields = item.what.fields.iter().map(|field| {
            let mut described = Field::new(&field.name, describe(&mut inventory, &field.ty));
            described.docs = docs(&field.docs);
            described
        });
        let kind = TypeKind::Struct(Struct {
            fields: fields.collect(),
            repr: Repr::c(),
        });
        let described = Described {
            name: item.name.clone(),
            visibility: Visibility::Public,
            docs: docs(&item.docs),
            emission: emission(item.testing),
            kind,
        };
        inventory.register_type(named(&item.name), described);
    }
    for item in &abi.functions {
        let arguments = item.what.parameters.iter().map(|parameter| {
            Argument::new(&parameter.name, describe(&mut inventory, &parameter.ty))
        });
        let arguments = arguments.collect();
        let rval = match &item.what.result {
            Some(ty) => describe(&mut inventory, ty),
            None => register::<()>(&mut inventory),
        };
        let function = Function {
            name: item.name.clone(),
            visibility: Visibility::Public,
            docs: docs(&item.docs),
            emission: emission(item.testing),
            signature: Signature { arguments, rval },
        };
        inventory.register_function(FunctionId::new(hash_str(&item.name)), function);
    }
    inventory
}

/// Registers a type and yields its id. A handle is an address for C#, whatever is behind it.
fn describe(inventory: &mut RustInventory, ty: &Type) -> TypeId {
    match ty {
        Type::Void => register::<c_void>(inventory),
        Type::Integer(integer) => match integer {
            Integer::I8 => register::<i8>(inventory),
            Integer::U8 => register::<u8>(inventory),
            Integer::I16 => register::<i16>(inventory),
            Integer::U16 => register::<u16>(inventory),
            Integer::I32 => register::<i32>(inventory),
            Integer::U32 => register::<u32>(inventory),
            Integer::I64 => register::<i64>(inventory),
            Integer::U64 => register::<u64>(inventory),
            Integer::Usize => register::<usize>(inventory),
        },
        Type::Named(name) if is_struct(inventory, name) => named(name),
        Type::Named(_) => register::<c_void>(inventory),
        Type::Pointer { mutable, target } => {
            let target = match &**target {
                // A pointer to a handle's address: an address as well.
                Type::Pointer { .. } => register::<c_void>(inventory),
                target => describe(inventory, target),
            };
            let (id, kind, name) = if *mutable {
                (
                    type_id_ptr_mut(target),
                    TypeKind::ReadWritePointer(target),
                    "*mut T",
                )
            } else {
                (
                    type_id_ptr(target),
                    TypeKind::ReadPointer(target),
                    "*const T",
                )
            };
            let described = Described {
                name: name.to_owned(),
                visibility: Visibility::Public,
                docs: Docs::empty(),
                emission: Emission::Builtin,
                kind,
            };
            inventory.register_type(id, described);
            id
        }
    }
}

fn register<T: TypeInfo>(inventory: &mut RustInventory) -> TypeId {
    T::register(inventory);
    T::id()
}

fn is_struct(inventory: &RustInventory, name: &str) -> bool {
    inventory.types.contains_key(&named(name))
}

fn named(name: &str) -> TypeId {
    TypeId::new(hash_str(name))
}

/// A name of its own for the testing half keeps the backend from merging it with the other.
fn emission(testing: bool) -> Emission {
    Emission::FileEmission(if testing {
        FileEmission::CustomModule(Module::from_str("testing"))
    } else {
        FileEmission::Default
    })
}

fn docs(lines: &[String]) -> Docs {
    if lines.is_empty() {
        return Docs::empty();
    }
    // What a C caller must guarantee is in the header; here the shim is the only caller.
    let told = lines.iter().take_while(|line| *line != "# Safety");
    let mut escaped: Vec<String> = told.map(|line| escape(line)).collect();
    while escaped.last().is_some_and(String::is_empty) {
        escaped.pop();
    }
    let framed = std::iter::once("<summary>".to_owned()).chain(escaped);
    Docs::from_lines(
        framed
            .chain(std::iter::once("</summary>".to_owned()))
            .collect(),
    )
}

fn escape(line: &str) -> String {
    line.replace('&', "&amp;")
        .replace('<', "&lt;")
        .replace('>', "&gt;")
}

/// The declarations belong to the shim: nothing of them may be public. The hash line includes
/// source line numbers and would change with every comment.
fn make_internal(text: &str) -> String {
    let mut out = String::new();
    for line in text.lines().filter(|line| !line.starts_with("// Hash:")) {
        if line.starts_with("public ") || line.starts_with("    public static partial ") {
            out.push_str(&line.replacen("public ", "internal ", 1));
        } else {
            out.push_str(line);
        }
        out.push('\n');
    }
    out
}

/// All constants, in the order and with the comments of the sources.
pub(crate) fn constants(abi: &Abi) -> String {
    let mut out = String::from(
        "// <auto-generated>\n\
         // Generated from raft-ffi by ./build.sh bindings. Do not edit.\n\
         // </auto-generated>\n\n",
    );
    let _ = write!(
        out,
        "namespace {NAMESPACE};\n\n\
         /// <summary>The constants of the native library, under their own names.</summary>\n\
         internal static class NrgConstants\n{{\n"
    );
    for item in &abi.constants {
        for line in docs(&item.docs).lines {
            let _ = writeln!(out, "    /// {line}");
        }
        let (ty, value) = (item.what.ty.csharp_constant(), item.what.value);
        let _ = writeln!(out, "    internal const {ty} {} = {value};\n", item.name);
    }
    out.truncate(out.trim_end().len());
    out.push_str("\n}\n");
    out
}
