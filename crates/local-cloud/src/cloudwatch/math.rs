//! Metric math: the expressions of GetMetricData, over the metrics and expressions of the same request.
//! <https://docs.aws.amazon.com/AmazonCloudWatch/latest/monitoring/using-metric-math.html>

use std::collections::BTreeMap;

use super::error::validation;
use crate::call::AwsError;

/// The most operands of an expression. It is read and computed by functions that call themselves for each.
const MOST: usize = 200;

/// The values of a metric by their time.
pub type Values = BTreeMap<i64, f64>;

/// An expression, parsed.
#[derive(Clone, Debug, PartialEq)]
pub enum Expression {
    Number(f64),
    /// The Id of another query.
    Named(String),
    Negative(Box<Expression>),
    Pair(Operator, Box<Expression>, Box<Expression>),
    Of(Function, Vec<Expression>),
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Operator {
    Add,
    Subtract,
    Multiply,
    Divide,
    Power,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Function {
    Abs,
    Ceil,
    Floor,
    /// The average of all values, and so on: one number.
    Avg,
    Max,
    Min,
    Sum,
    /// `FILL(m, 0)`: the values, and a number where another metric of the expression has one and this has none.
    Fill,
}

/// What an expression comes to.
#[derive(Clone, Debug, PartialEq)]
enum Outcome {
    Number(f64),
    Values(Values),
}

impl Expression {
    /// Reads an expression.
    ///
    /// # Errors
    /// `ValidationError`: it can't be read. What the local cloud lacks, such as SEARCH, is named.
    pub fn parse(text: &str) -> Result<Self, AwsError> {
        let mut reader = Reader { rest: text.trim_start(), operands: 0 };
        let parsed = reader.sum()?;
        if reader.rest.is_empty() { Ok(parsed) } else { Err(reader.wrong()) }
    }

    /// Returns the Ids that it names.
    pub fn names(&self) -> Vec<&str> {
        match self {
            Self::Number(_) => Vec::new(),
            Self::Named(name) => vec![name],
            Self::Negative(one) => one.names(),
            Self::Pair(_, one, other) => [one.names(), other.names()].concat(),
            Self::Of(_, arguments) => arguments.iter().flat_map(Self::names).collect(),
        }
    }

    /// Returns its values, from those of the queries that it names.
    ///
    /// # Errors
    /// `ValidationError`: it is a number and not values.
    pub fn values(&self, known: &BTreeMap<String, Values>) -> Result<Values, AwsError> {
        let times: Vec<i64> = self
            .names()
            .iter()
            .filter_map(|name| known.get(*name))
            .flat_map(|it| it.keys().copied())
            .collect();
        match self.result(known, &times) {
            Outcome::Values(values) => Ok(values),
            Outcome::Number(_) => {
                Err(validation("The expression must return a time series, and not a number."))
            }
        }
    }

    fn result(&self, known: &BTreeMap<String, Values>, times: &[i64]) -> Outcome {
        match self {
            Self::Number(number) => Outcome::Number(*number),
            Self::Named(name) => Outcome::Values(known.get(name).cloned().unwrap_or_default()),
            Self::Negative(one) => one.result(known, times).map(|value| -value),
            Self::Pair(operator, one, other) => {
                let of = |one: f64, other: f64| match operator {
                    Operator::Add => one + other,
                    Operator::Subtract => one - other,
                    Operator::Multiply => one * other,
                    Operator::Divide => one / other,
                    Operator::Power => one.powf(other),
                };
                pair(one.result(known, times), other.result(known, times), of)
            }
            Self::Of(function, arguments) => {
                let mut results = arguments.iter().map(|argument| argument.result(known, times));
                let first = results.next().unwrap_or(Outcome::Number(0.0));
                match (function, first, results.next()) {
                    (Function::Abs, one, _) => one.map(f64::abs),
                    (Function::Ceil, one, _) => one.map(f64::ceil),
                    (Function::Floor, one, _) => one.map(f64::floor),
                    (Function::Fill, Outcome::Values(mut values), Some(Outcome::Number(number))) => {
                        for time in times {
                            values.entry(*time).or_insert(number);
                        }
                        Outcome::Values(values)
                    }
                    (_, Outcome::Values(values), _) => Outcome::Number(summed(*function, &values)),
                    (_, number, _) => number,
                }
            }
        }
    }
}

impl Outcome {
    fn map(self, of: impl Fn(f64) -> f64) -> Self {
        match self {
            Self::Number(number) => Self::Number(of(number)),
            Self::Values(values) => {
                Self::Values(values.into_iter().map(|(time, value)| (time, of(value))).collect())
            }
        }
    }
}

/// Returns the results of two operands. Of two metrics, it has those times that both have; and none where the result is no
/// number, as after a division by zero.
fn pair(one: Outcome, other: Outcome, of: impl Fn(f64, f64) -> f64) -> Outcome {
    let finite = |values: Values| values.into_iter().filter(|(_, value)| value.is_finite()).collect();
    match (one, other) {
        (Outcome::Number(one), Outcome::Number(other)) => Outcome::Number(of(one, other)),
        (Outcome::Number(one), other) => match other.map(|other| of(one, other)) {
            Outcome::Values(values) => Outcome::Values(finite(values)),
            number => number,
        },
        (one, Outcome::Number(other)) => match one.map(|one| of(one, other)) {
            Outcome::Values(values) => Outcome::Values(finite(values)),
            number => number,
        },
        (Outcome::Values(one), Outcome::Values(other)) => {
            let both = one.iter().filter_map(|(time, one)| Some((*time, of(*one, *other.get(time)?))));
            Outcome::Values(finite(both.collect()))
        }
    }
}

fn summed(function: Function, values: &Values) -> f64 {
    let all = || values.values().copied();
    match function {
        Function::Max => all().fold(f64::NEG_INFINITY, f64::max),
        Function::Min => all().fold(f64::INFINITY, f64::min),
        // There are fewer values than 2^52.
        Function::Avg => all().sum::<f64>() / values.len() as f64,
        _ => all().sum(),
    }
}

struct Reader<'a> {
    rest: &'a str,
    /// How many operands were read.
    operands: usize,
}

impl Reader<'_> {
    fn wrong(&self) -> AwsError {
        validation(format!("Error in expression: Unexpected input at '{}'", self.rest))
    }

    fn takes(&mut self, sign: char) -> bool {
        let Some(rest) = self.rest.strip_prefix(sign) else { return false };
        self.rest = rest.trim_start();
        true
    }

    fn sum(&mut self) -> Result<Expression, AwsError> {
        let mut read = self.product()?;
        loop {
            let operator = if self.takes('+') {
                Operator::Add
            } else if self.takes('-') {
                Operator::Subtract
            } else {
                return Ok(read);
            };
            read = Expression::Pair(operator, Box::new(read), Box::new(self.product()?));
        }
    }

    fn product(&mut self) -> Result<Expression, AwsError> {
        let mut read = self.power()?;
        loop {
            let operator = if self.takes('*') {
                Operator::Multiply
            } else if self.takes('/') {
                Operator::Divide
            } else {
                return Ok(read);
            };
            read = Expression::Pair(operator, Box::new(read), Box::new(self.power()?));
        }
    }

    fn power(&mut self) -> Result<Expression, AwsError> {
        self.operands += 1;
        if self.operands > MOST {
            return Err(validation(format!("An expression has at most {MOST} operands.")));
        }
        if self.takes('-') {
            return Ok(Expression::Negative(Box::new(self.power()?)));
        }
        let base = self.one()?;
        if !self.takes('^') {
            return Ok(base);
        }
        Ok(Expression::Pair(Operator::Power, Box::new(base), Box::new(self.power()?)))
    }

    fn one(&mut self) -> Result<Expression, AwsError> {
        if self.takes('(') {
            let read = self.sum()?;
            return if self.takes(')') { Ok(read) } else { Err(self.wrong()) };
        }
        let word = self.word();
        if word.is_empty() {
            return Err(self.wrong());
        }
        if word.starts_with(|c: char| c.is_ascii_digit() || c == '.') {
            return word.parse().map(Expression::Number).map_err(|_| self.wrong());
        }
        if self.takes('(') {
            let function = function(&word)?;
            let arguments = self.arguments()?;
            let wanted = if function == Function::Fill { 2 } else { 1 };
            return match arguments.len() == wanted {
                true => Ok(Expression::Of(function, arguments)),
                false => Err(self.wrong()),
            };
        }
        if word.starts_with(|c: char| c.is_ascii_lowercase()) {
            return Ok(Expression::Named(word));
        }
        Err(AwsError::unsupported("CloudWatch", &format!("{word} in an expression")))
    }

    fn word(&mut self) -> String {
        let end = self.rest.find(|c: char| !c.is_ascii_alphanumeric() && c != '_' && c != '.');
        let (word, rest) = self.rest.split_at(end.unwrap_or(self.rest.len()));
        self.rest = rest.trim_start();
        word.to_owned()
    }

    fn arguments(&mut self) -> Result<Vec<Expression>, AwsError> {
        let mut all = vec![self.sum()?];
        while self.takes(',') {
            all.push(self.sum()?);
        }
        if self.takes(')') { Ok(all) } else { Err(self.wrong()) }
    }
}

fn function(name: &str) -> Result<Function, AwsError> {
    Ok(match name.to_ascii_uppercase().as_str() {
        "ABS" => Function::Abs,
        "CEIL" => Function::Ceil,
        "FLOOR" => Function::Floor,
        "AVG" => Function::Avg,
        "MAX" => Function::Max,
        "MIN" => Function::Min,
        "SUM" => Function::Sum,
        "FILL" => Function::Fill,
        other => {
            return Err(AwsError::unsupported(
                "CloudWatch",
                &format!("the function {other} in an expression"),
            ));
        }
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    fn values(text: &str) -> Result<Values, AwsError> {
        let known = BTreeMap::from([
            ("errors".to_owned(), Values::from([(0, 1.0), (60, 3.0)])),
            ("all".to_owned(), Values::from([(0, 4.0), (60, 0.0), (120, 2.0)])),
        ]);
        Expression::parse(text)?.values(&known)
    }

    #[test]
    fn expressions_come_to_values() {
        for (text, expected) in [
            ("errors", vec![(0, 1.0), (60, 3.0)]),
            ("100 * errors / all", vec![(0, 25.0)]),
            ("-(errors + 1)^2", vec![(0, -4.0), (60, -16.0)]),
            ("errors-1-1", vec![(0, -1.0), (60, 1.0)]),
            ("FILL(errors, 0) + all", vec![(0, 5.0), (60, 3.0), (120, 2.0)]),
            ("all - AVG(all)", vec![(0, 2.0), (60, -2.0), (120, 0.0)]),
            ("errors * MAX(all) + SUM(errors) / 0.5", vec![(0, 12.0), (60, 20.0)]),
            ("nobody + 1", vec![]),
        ] {
            assert_eq!(values(text), Ok(expected.into_iter().collect()), "{text}");
        }
    }

    #[test]
    fn what_is_no_expression_is_refused() {
        for text in ["", "errors +", "(errors", "errors all", "1 + 2", "MAX(errors)", "FILL(errors)", "2x"] {
            assert_eq!(values(text).unwrap_err().code, "ValidationError", "{text}");
        }
        assert_eq!(values(&"(".repeat(5000)).unwrap_err().code, "ValidationError");
        assert_eq!(values(&"errors+".repeat(500)).unwrap_err().code, "ValidationError");
        for text in ["SELECT AVG(x) FROM y", "SEARCH('{A,b}', 'Sum')", "METRICS"] {
            assert_eq!(values(text).unwrap_err().code, "UnknownOperationException", "{text}");
        }
    }
}
