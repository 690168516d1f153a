//! Reads the sources of `raft-ffi` with `syn` into an [`Abi`].
//!
//! Modules are followed from `lib.rs` in source order. What is public and crosses the boundary is
//! taken: `no_mangle` functions, constants `NRG_*`, structs `Nrg*`. Test modules are skipped.

use std::collections::BTreeSet;
use std::fs;
use std::path::Path;

use syn::{Attribute, Expr, Fields, FnArg, ItemConst, ItemFn, ItemStruct, Lit, Meta, Pat};
use syn::{ReturnType, Visibility};

use crate::Outcome;
use crate::abi::{Abi, Constant, Function, Integer, Item, Struct, Type, Variable};
use crate::constant::evaluate;

/// Reads the crate whose `lib.rs` is in this folder.
pub(crate) fn read_crate(sources: &Path) -> Outcome<Abi> {
    let mut abi = Abi::default();
    let file = parse(&sources.join("lib.rs"))?;
    read_items(&mut abi, sources, false, &file.items)?;
    check_names(&abi)?;
    Ok(abi)
}

fn parse(path: &Path) -> Outcome<syn::File> {
    let text = fs::read_to_string(path).map_err(|error| format!("{}: {error}", path.display()))?;
    syn::parse_file(&text).map_err(|error| format!("{}: {error}", path.display()).into())
}

/// Takes the items of one module; `folder` is where its child modules lie.
fn read_items(abi: &mut Abi, folder: &Path, testing: bool, items: &[syn::Item]) -> Outcome<()> {
    for item in items {
        match item {
            syn::Item::Mod(module) if !is_cfg_test(&module.attrs) => {
                let name = module.ident.to_string();
                let testing = testing || name == "testing";
                if let Some((_, content)) = &module.content {
                    read_items(abi, &folder.join(&name), testing, content)?;
                    continue;
                }
                let beside = folder.join(format!("{name}.rs"));
                let within = folder.join(&name).join("mod.rs");
                let file = parse(if beside.exists() { &beside } else { &within })?;
                read_items(abi, &folder.join(&name), testing, &file.items)?;
            }
            syn::Item::Const(constant) if is_public(&constant.vis) => {
                read_constant(abi, testing, constant)?;
            }
            syn::Item::Struct(record) if is_public(&record.vis) => {
                read_struct(abi, testing, record)?;
            }
            syn::Item::Fn(function) if is_exported(&function.attrs) => {
                abi.functions.push(read_function(testing, function)?);
            }
            _ => {}
        }
    }
    Ok(())
}

fn read_constant(abi: &mut Abi, testing: bool, constant: &ItemConst) -> Outcome<()> {
    let name = constant.ident.to_string();
    if !name.starts_with("NRG_") {
        return Ok(());
    }
    let known = |wanted: &str| {
        abi.constants
            .iter()
            .find(|item| item.name == wanted)
            .map(|item| item.what.value)
    };
    let Type::Integer(ty) = read_type(&constant.ty).map_err(|error| format!("{name}: {error}"))?
    else {
        return Err(format!("{name}: a constant of the ABI is an integer").into());
    };
    let value = evaluate(&constant.expr, &known).map_err(|error| format!("{name}: {error}"))?;
    let (smallest, largest) = ty.range();
    if value < smallest || value > largest {
        return Err(format!("{name}: {value} is no {}", ty.rust()).into());
    }
    let docs = read_docs(&constant.attrs);
    abi.constants.push(Item {
        name,
        docs,
        testing,
        what: Constant { ty, value },
    });
    Ok(())
}

fn read_struct(abi: &mut Abi, testing: bool, record: &ItemStruct) -> Outcome<()> {
    let name = record.ident.to_string();
    if !name.starts_with("Nrg") {
        return Ok(());
    }
    let docs = read_docs(&record.attrs);
    if !is_repr_c(&record.attrs) {
        abi.handles.push(Item {
            name,
            docs,
            testing,
            what: (),
        });
        return Ok(());
    }
    let Fields::Named(fields) = &record.fields else {
        return Err(format!("{name}: a struct of the ABI has named fields").into());
    };
    let mut read = Vec::new();
    for field in &fields.named {
        let Some(ident) = &field.ident else { continue };
        let ty = read_type(&field.ty).map_err(|error| format!("{name}.{ident}: {error}"))?;
        read.push(Variable {
            name: ident.to_string(),
            docs: read_docs(&field.attrs),
            ty,
        });
    }
    abi.structs.push(Item {
        name,
        docs,
        testing,
        what: Struct { fields: read },
    });
    Ok(())
}

fn read_function(testing: bool, function: &ItemFn) -> Outcome<Item<Function>> {
    let name = function.sig.ident.to_string();
    let c_abi = function.sig.abi.as_ref().and_then(|abi| abi.name.as_ref());
    if c_abi.is_none_or(|abi| abi.value() != "C") {
        return Err(format!("{name}: exported, but not extern \"C\"").into());
    }
    if !name.starts_with(if testing { "nrg_test_" } else { "nrg_" })
        || (!testing && name.starts_with("nrg_test_"))
    {
        return Err(format!("{name}: nrg_test_* lives below testing/, nrg_* beside it").into());
    }
    let mut parameters = Vec::new();
    for input in &function.sig.inputs {
        let FnArg::Typed(typed) = input else {
            return Err(format!("{name}: a method").into());
        };
        let Pat::Ident(ident) = &*typed.pat else {
            return Err(format!("{name}: a parameter without a name").into());
        };
        let ty =
            read_type(&typed.ty).map_err(|error| format!("{name}({}): {error}", ident.ident))?;
        parameters.push(Variable {
            name: ident.ident.to_string(),
            docs: Vec::new(),
            ty,
        });
    }
    let result = match &function.sig.output {
        ReturnType::Default => None,
        ReturnType::Type(_, ty) => Some(read_type(ty).map_err(|error| format!("{name}: {error}"))?),
    };
    let docs = read_docs(&function.attrs);
    Ok(Item {
        name,
        docs,
        testing,
        what: Function { parameters, result },
    })
}

fn read_type(ty: &syn::Type) -> Result<Type, String> {
    match ty {
        syn::Type::Ptr(pointer) => Ok(Type::Pointer {
            mutable: pointer.mutability.is_some(),
            target: Box::new(read_type(&pointer.elem)?),
        }),
        syn::Type::Path(path) => {
            let last = path.path.segments.last().ok_or("an empty path")?;
            let name = last.ident.to_string();
            if let Some(integer) = Integer::from_rust(&name) {
                Ok(Type::Integer(integer))
            } else if name == "c_void" {
                Ok(Type::Void)
            } else if name.starts_with("Nrg") && last.arguments.is_none() {
                Ok(Type::Named(name))
            } else {
                Err(format!("{name} is no type of the ABI"))
            }
        }
        _ => Err("no type of the ABI".to_owned()),
    }
}

/// Every name is declared once, and every struct or handle that is used is declared.
fn check_names(abi: &Abi) -> Outcome<()> {
    let mut declared = BTreeSet::new();
    let types = abi.structs.iter().map(|item| &item.name);
    let types = types.chain(abi.handles.iter().map(|item| &item.name));
    let others = abi.functions.iter().map(|item| &item.name);
    let others = others.chain(abi.constants.iter().map(|item| &item.name));
    for name in types.chain(others) {
        if !declared.insert(name.as_str()) {
            return Err(format!("{name} is declared twice").into());
        }
    }
    let fields = abi.structs.iter().flat_map(|item| &item.what.fields);
    let parameters = abi.functions.iter().flat_map(|item| &item.what.parameters);
    for variable in fields.chain(parameters) {
        let mut ty = &variable.ty;
        while let Type::Pointer { target, .. } = ty {
            ty = target;
        }
        if let Type::Named(name) = ty
            && !declared.contains(name.as_str())
        {
            return Err(format!("{name} ({}) is not declared", variable.name).into());
        }
        if matches!(variable.ty, Type::Void | Type::Named(_)) {
            return Err(format!("{}: only pointers to it may cross", variable.name).into());
        }
    }
    Ok(())
}

fn is_public(visibility: &Visibility) -> bool {
    matches!(visibility, Visibility::Public(_))
}

/// `#[unsafe(no_mangle)]`, or the older `#[no_mangle]`.
fn is_exported(attributes: &[Attribute]) -> bool {
    attributes.iter().any(|attribute| match &attribute.meta {
        Meta::Path(path) => path.is_ident("no_mangle"),
        Meta::List(list) => {
            list.path.is_ident("unsafe") && list.tokens.to_string().contains("no_mangle")
        }
        Meta::NameValue(_) => false,
    })
}

fn is_repr_c(attributes: &[Attribute]) -> bool {
    attributes.iter().any(|attribute| {
        attribute.path().is_ident("repr")
            && attribute
                .parse_args::<syn::Ident>()
                .is_ok_and(|ident| ident == "C")
    })
}

fn is_cfg_test(attributes: &[Attribute]) -> bool {
    attributes.iter().any(|attribute| {
        attribute.path().is_ident("cfg")
            && attribute
                .parse_args::<syn::Ident>()
                .is_ok_and(|ident| ident == "test")
    })
}

fn read_docs(attributes: &[Attribute]) -> Vec<String> {
    attributes
        .iter()
        .filter_map(|attribute| match &attribute.meta {
            Meta::NameValue(pair) if pair.path.is_ident("doc") => Some(&pair.value),
            _ => None,
        })
        .filter_map(|value| match value {
            Expr::Lit(literal) => match &literal.lit {
                Lit::Str(text) => Some(text.value()),
                _ => None,
            },
            _ => None,
        })
        .map(|line| line.strip_prefix(' ').unwrap_or(&line).to_owned())
        .collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn read(text: &str) -> Outcome<Abi> {
        let folder = tempfile::tempdir()?;
        fs::write(folder.path().join("lib.rs"), text)?;
        read_crate(folder.path())
    }

    #[test]
    fn structs_handles_functions_and_constants_are_found() {
        let abi = read(
            "/// Opaque.\npub struct NrgNode { inner: u8 }\n\
             #[repr(C)] pub struct NrgEvent { pub token: u64, pub data_ptr: *const u8 }\n\
             pub const NRG_ONE: u32 = 1; pub const NRG_TWO: u64 = (NRG_ONE as u64) << 1;\n\
             #[unsafe(no_mangle)] pub unsafe extern \"C\" fn nrg_node_open(\
                node_out: *mut *mut NrgNode, event_out: *mut NrgEvent) -> i32 { 0 }\n\
             mod testing { #[unsafe(no_mangle)] pub extern \"C\" fn nrg_test_x() {} }",
        )
        .unwrap();

        assert_eq!(abi.handles[0].docs, ["Opaque."]);
        assert_eq!(abi.structs[0].what.fields.len(), 2);
        assert_eq!(abi.constants[1].what.value, 2);
        let names: Vec<_> = abi
            .functions
            .iter()
            .map(|item| (item.name.as_str(), item.testing))
            .collect();
        assert_eq!(names, [("nrg_node_open", false), ("nrg_test_x", true)]);
    }

    #[test]
    fn what_does_not_belong_into_an_abi_is_refused() {
        for text in [
            "#[unsafe(no_mangle)] pub extern \"C\" fn nrg_a(flag: bool) {}",
            "#[unsafe(no_mangle)] pub extern \"C\" fn nrg_a(text: &str) {}",
            "#[unsafe(no_mangle)] pub extern \"C\" fn nrg_a(node: *mut NrgUnknown) {}",
            "#[unsafe(no_mangle)] pub extern \"C\" fn nrg_test_a() {}",
            "#[unsafe(no_mangle)] pub fn nrg_a() {}",
            "pub const NRG_A: u8 = 256;",
            "pub struct NrgA; pub struct NrgA;",
        ] {
            assert!(read(text).is_err(), "{text}");
        }
    }
}
