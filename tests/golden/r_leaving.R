# Reference answers from R for tests/golden/test_leaving_references.py.
# Run in this folder: Rscript r_leaving.R > r_leaving.csv   (made with R 4.2.2, survival 3.5-3)
library(survival)

# Reasons and late entry by rules both programs can follow; nobody died of a reason in fact.
lung$left <- lung$status == 2
why <- ifelse(!is.na(lung$ph.ecog) & lung$ph.ecog == 0, "a", ifelse(lung$age %% 3 == 0, "b", "c"))
lung$reason <- factor(ifelse(lung$left, why, "stays"), c("stays", "a", "b", "c"))
lung$entered <- ifelse(lung$age %% 2 == 0 & lung$time > 60, 60, 0)
lung$id <- seq_len(nrow(lung))
known <- lung[!is.na(lung$ph.ecog), ]

answers <- list()
note <- function(name, value) answers[[name]] <<- unname(value)

plain <- survfit(Surv(time, reason) ~ 1, lung, id = id, conf.type = "log-log")
late <- survfit(Surv(entered, time, reason) ~ 1, lung, id = id, conf.type = "log-log")
curves <- list(plain = plain, late = late)
for (kind in names(curves)) for (day in c(365, 730)) {
  at <- summary(curves[[kind]], times = day)
  for (place in 2:4) {
    who <- paste(kind, plain$states[place], day)
    note(who, at$pstate[place])
    note(paste(who, "error"), at$std.err[place])
    note(paste(who, "low"), at$lower[place])
    note(paste(who, "high"), at$upper[place])
  }
}
# Fewer than thirty of a sex died of b, too few for a ratio.
terms <- list(b = ~age, c = ~ age + sex)
for (one in names(terms)) {
  lung$gone <- lung$reason == one
  fit <- coxph(update(terms[[one]], Surv(entered, time, gone) ~ .), lung)
  for (name in names(coef(fit))) {
    note(paste("cause", one, name), coef(fit)[name])
    note(paste("cause", one, name, "error"), sqrt(diag(vcov(fit)))[name])
  }
}

for (law in c("weibull", "lognormal", "loglogistic")) {
  fit <- survreg(Surv(time, left) ~ age + sex + ph.ecog, known, dist = law)
  note(paste(law, "log-likelihood"), fit$loglik[2])
  for (name in names(coef(fit))[-1]) {
    note(paste(law, name), coef(fit)[name])
    note(paste(law, name, "error"), sqrt(vcov(fit)[name, name]))
  }
}

# Periods of thirty days: who was watched to the end of one, or left in it.
last <- ifelse(known$left, pmax(ceiling(known$time / 30), 1), floor(known$time / 30))
first <- known$entered / 30
many <- pmax(last - first, 0)
place <- rep(seq_len(nrow(known)), many)
table <- known[place, c("age", "sex", "ph.ecog", "left")]
table$period <- sequence(many[many > 0]) + first[place]
table$gone <- table$left & table$period == last[place]
table <- table[table$period %in% unique(table$period[table$gone]), ]
for (link in c("cloglog", "logit")) {
  fit <- glm(gone ~ age + sex + ph.ecog + factor(period), binomial(link), table, control = list(epsilon = 1e-12))
  for (name in c("age", "sex", "ph.ecog")) {
    note(paste(link, name), coef(fit)[name])
    note(paste(link, name, "error"), sqrt(vcov(fit)[name, name]))
  }
  note(paste(link, "log-likelihood"), as.numeric(logLik(fit)))
}

# Seven hundred leave on the quantiles of a Weibull law, three hundred are still there at sixty.
time <- c(ceiling(10 * (-log(1 - (1:700 - 0.5) / 700))^(1 / 1.3)), rep(60, 300))
left <- rep(c(TRUE, FALSE), c(700, 300))
loss <- function(p) {
  never <- plogis(p[1])
  stay <- function(age) never + (1 - never) * pweibull(age, exp(p[3]), exp(p[2]), lower.tail = FALSE)
  -sum(log(ifelse(left, stay(time - 1) - stay(time), stay(time))))
}
fit <- optim(c(-1, 2, 0), loss, method = "BFGS", hessian = TRUE, control = list(reltol = 1e-14))
note("never share log odds", fit$par[1])
note("never share log odds error", sqrt(solve(fit$hessian)[1, 1]))
note("never scale", exp(fit$par[2]))
note("never shape", exp(fit$par[3]))
note("never log-likelihood", -fit$value)

fit <- coxph(Surv(start, stop, event) ~ transplant, heart)
note("heart dated", coef(fit)[1])
note("heart dated error", sqrt(vcov(fit)[1, 1]))
# The naive flag: once transplanted, as if from the first day.
people <- aggregate(cbind(stop, event, transplant = as.numeric(as.character(transplant))) ~ id, heart, max)
fit <- coxph(Surv(stop, event) ~ transplant, people)
note("heart flag", coef(fit)[1])
note("heart flag error", sqrt(vcov(fit)[1, 1]))

cat("quantity,value\n")
for (name in names(answers)) cat(name, ",", format(answers[[name]], digits = 12), "\n", sep = "")
