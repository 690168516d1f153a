//! Evaluates the integer expressions that a constant of the ABI may be written as.

use syn::{BinOp, Expr, ExprLit, Lit, UnOp};

use crate::abi::Integer;

/// The value of an expression; `known` looks up the constants declared before it.
pub(crate) fn evaluate(
    expression: &Expr,
    known: &dyn Fn(&str) -> Option<i128>,
) -> Result<i128, String> {
    match expression {
        Expr::Lit(ExprLit {
            lit: Lit::Int(number),
            ..
        }) => number.base10_parse().map_err(|error| error.to_string()),
        Expr::Paren(inner) => evaluate(&inner.expr, known),
        Expr::Group(inner) => evaluate(&inner.expr, known),
        Expr::Cast(inner) => evaluate(&inner.expr, known),
        Expr::Unary(unary) if matches!(unary.op, UnOp::Neg(_)) => {
            evaluate(&unary.expr, known).map(|value| -value)
        }
        Expr::Binary(binary) => {
            let left = evaluate(&binary.left, known)?;
            let right = evaluate(&binary.right, known)?;
            operate(&binary.op, left, right).ok_or_else(|| "not an ABI constant".to_owned())
        }
        Expr::Path(path) => {
            let names: Vec<String> = path
                .path
                .segments
                .iter()
                .map(|segment| segment.ident.to_string())
                .collect();
            look_up(&names, known).ok_or_else(|| format!("{} is not known here", names.join("::")))
        }
        _ => Err("only integer literals, constants, + - * / << | and casts".to_owned()),
    }
}

fn operate(operator: &BinOp, left: i128, right: i128) -> Option<i128> {
    match operator {
        BinOp::Add(_) => left.checked_add(right),
        BinOp::Sub(_) => left.checked_sub(right),
        BinOp::Mul(_) => left.checked_mul(right),
        BinOp::Div(_) => left.checked_div(right),
        BinOp::BitOr(_) => Some(left | right),
        BinOp::Shl(_) => u32::try_from(right)
            .ok()
            .and_then(|bits| left.checked_shl(bits)),
        _ => None,
    }
}

/// `u32::MAX` and its like, or an earlier constant.
fn look_up(names: &[String], known: &dyn Fn(&str) -> Option<i128>) -> Option<i128> {
    if let [ty, limit] = names
        && let Some(integer) = Integer::from_rust(ty)
    {
        let (smallest, largest) = integer.range();
        return match limit.as_str() {
            "MAX" => Some(largest),
            "MIN" => Some(smallest),
            _ => None,
        };
    }
    known(names.last()?)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn value(text: &str) -> Result<i128, String> {
        evaluate(&syn::parse_str(text).unwrap(), &|name| {
            (name == "NRG_BIT").then_some(4)
        })
    }

    #[test]
    fn expressions_of_the_abi_have_their_rust_value() {
        assert_eq!(value("1 << 3 | NRG_BIT"), Ok(12));
        assert_eq!(value("(2 + 3) * 7 - 1"), Ok(34));
        assert_eq!(value("u32::MAX as u64"), Ok(4_294_967_295));
        assert_eq!(value("super::NRG_BIT"), Ok(4));
        assert_eq!(value("0x1_0000"), Ok(65_536));
    }

    #[test]
    fn anything_else_is_an_error() {
        assert!(value("size_of::<u32>()").is_err());
        assert!(value("NRG_OTHER").is_err());
        assert!(value("1 % 2").is_err());
    }
}
