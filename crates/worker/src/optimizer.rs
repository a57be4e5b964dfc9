//! Adam and SGD as in `torch.optim`. A job that resumes must continue exactly as if it had not stopped, so the state must be
//! saved, which tch's optimizers do not support.

use opsml_contract::{Hyperparameters, Optimizer as Kind, Schedule};
use tch::{Tensor, no_grad};

use crate::adam::Adam;
use crate::error::{Error, Result};
use crate::instances::Instances;
use crate::state_dict::{Array, StateDict};

const BETA1: f64 = 0.9;
const BETA2: f64 = 0.999;
const EPSILON: f64 = 1e-8;

/// Updates weights by their gradients.
pub struct Optimizer {
    kind: Kind,
    learning_rate: f64,
    schedule: Schedule,
    /// The steps of the whole job.
    planned: u64,
    momentum: f64,
    weight_decay: f64,
    /// The steps taken so far.
    steps: i64,
    slots: Vec<Slot>,
}

struct Slot {
    name: String,
    weight: Tensor,
    /// Adam's first moment, SGD's momentum buffer.
    first: Tensor,
    /// Adam's second moment.
    second: Tensor,
}

impl Optimizer {
    /// Returns an optimizer for these weights by name, for a job of `planned` steps.
    pub fn new(
        hyperparameters: &Hyperparameters,
        planned: u64,
        parameters: Vec<(String, Tensor)>,
    ) -> Result<Self> {
        let slot = |(name, weight): (String, Tensor)| {
            let zeros = || weight.f_detach()?.f_zeros_like();
            Ok(Slot { name, first: zeros()?, second: zeros()?, weight })
        };
        Ok(Self {
            kind: hyperparameters.optimizer,
            learning_rate: hyperparameters.learning_rate,
            schedule: hyperparameters.schedule,
            planned,
            momentum: hyperparameters.momentum,
            weight_decay: hyperparameters.weight_decay,
            steps: 0,
            slots: parameters.into_iter().map(slot).collect::<Result<_>>()?,
        })
    }

    /// Returns the gradients of `loss`, in the order of the weights. None is kept, so none needs to be added to or zeroed.
    ///
    /// # Errors
    /// libtorch's: the loss doesn't come from the weights.
    pub fn backward(&self, loss: &Tensor) -> Result<Vec<Tensor>> {
        let weights: Vec<&Tensor> = self.slots.iter().map(|slot| &slot.weight).collect();
        Ok(Tensor::f_run_backward(&[loss], &weights, false, false)?)
    }

    /// Takes one step down the gradients, which [`Self::backward`] returned.
    ///
    /// # Errors
    /// libtorch's.
    pub fn step(&mut self, gradients: &[Tensor]) -> Result<()> {
        no_grad(|| self.descend(gradients))
    }

    fn descend(&mut self, gradients: &[Tensor]) -> Result<()> {
        let learning_rate = match self.schedule {
            Schedule::Constant => self.learning_rate,
            Schedule::Cosine => {
                let done = self.steps as f64 / self.planned as f64;
                self.learning_rate * (1.0 + (std::f64::consts::PI * done.min(1.0)).cos()) / 2.0
            }
        };
        self.steps += 1;
        match self.kind {
            Kind::Sgd => self.slots.iter_mut().zip(gradients).try_for_each(|(slot, gradient)| {
                let mut gradient = gradient.shallow_clone();
                if self.weight_decay != 0.0 {
                    gradient = gradient.f_add(&slot.weight.f_mul_scalar(self.weight_decay)?)?;
                }
                let _ = slot.first.f_mul_scalar_(self.momentum)?.f_add_(&gradient)?;
                let _ = slot.weight.f_sub_(&slot.first.f_mul_scalar(learning_rate)?)?;
                Ok(())
            }),
            Kind::Adam => {
                let all = |of: fn(&Slot) -> Tensor| self.slots.iter().map(of).collect::<Vec<_>>();
                let weights = all(|slot| slot.weight.shallow_clone());
                let (firsts, seconds) =
                    (all(|slot| slot.first.shallow_clone()), all(|slot| slot.second.shallow_clone()));
                let adam = Adam {
                    rate: learning_rate,
                    beta1: BETA1,
                    beta2: BETA2,
                    decay: self.weight_decay,
                    epsilon: EPSILON,
                };
                adam.step(self.steps, &weights, gradients, &firsts, &seconds)
            }
        }
    }

    /// Returns everything that the next step depends on, except the weights.
    pub fn state_dict(&self) -> Result<StateDict> {
        let mut state = vec![("steps".to_owned(), Array::from_tensor(&Tensor::from(self.steps))?)];
        for slot in &self.slots {
            state.push((format!("first.{}", slot.name), Array::from_tensor(&slot.first)?));
            if self.kind == Kind::Adam {
                state.push((format!("second.{}", slot.name), Array::from_tensor(&slot.second)?));
            }
        }
        Ok(state)
    }

    /// Replaces the state by the first instance's.
    pub fn follow_first(&mut self, instances: &Instances<'_>) -> Result<()> {
        [self.steps] = instances.of_first([self.steps])?;
        let moments = self.slots.iter().flat_map(|slot| [&slot.first, &slot.second]);
        instances.follow_first(&moments.map(Tensor::shallow_clone).collect::<Vec<_>>())
    }

    /// Loads the result of [`Self::state_dict`].
    pub fn load(&mut self, state: &StateDict) -> Result<()> {
        let find = |name: &str| match state.iter().find(|(other, _)| other == name) {
            Some((_, array)) => array.to_tensor(),
            None => Err(Error::new(format!("the optimizer's state lacks {name}"))),
        };
        self.steps = find("steps")?.f_int64_value(&[])?;
        for slot in &mut self.slots {
            slot.first.f_copy_(&find(&format!("first.{}", slot.name))?)?;
            if self.kind == Kind::Adam {
                slot.second.f_copy_(&find(&format!("second.{}", slot.name))?)?;
            }
        }
        Ok(())
    }
}
