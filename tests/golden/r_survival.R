# Reference answers from R's survival package for tests/golden/test_kaplan_meier_references.py.
# Run in this folder: Rscript r_survival.R > r_survival.csv   (made with R 4.2.2, survival 3.5-3)
library(survival)

# Some customers enter late, after 60 days, by a rule both programs can follow.
lung$entered <- ifelse(lung$age %% 2 == 0 & lung$time > 60, 60, 0)
lung$left <- lung$status == 2
# Two rows of every three are spells of one customer, the third is a customer of its own.
place <- seq_len(nrow(lung))
lung$customer <- ifelse(place %% 3 == 0, place, 1000 + (place - 1) %/% 3)
known <- lung[!is.na(lung$ph.ecog), ]

answers <- list()
note <- function(name, value) answers[[name]] <<- unname(value)

curve <- survfit(Surv(time, left) ~ 1, lung, conf.type = "log-log")
for (day in c(100, 365, 730)) {
  at <- summary(curve, times = day)
  note(paste0("survival ", day), at$surv)
  note(paste0("low ", day), at$lower)
  note(paste0("high ", day), at$upper)
}
note("median", summary(curve)$table["median"])
note("median low", summary(curve)$table["0.95LCL"])
note("median high", summary(curve)$table["0.95UCL"])
for (day in c(365, 730)) {
  mean <- summary(curve, rmean = day)$table
  note(paste0("mean ", day), mean["rmean"])
  note(paste0("mean error ", day), mean["se(rmean)"])
}

late <- survfit(Surv(entered, time, left) ~ 1, lung, conf.type = "log-log")
at <- summary(late, times = 365)
note("late survival 365", at$surv)
note("late low 365", at$lower)
note("late high 365", at$upper)
note("late at risk 365", at$n.risk)
mean <- summary(late, rmean = 365)$table
note("late mean 365", mean["rmean"])
note("late mean error 365", mean["se(rmean)"])

note("log-rank sex", survdiff(Surv(time, left) ~ sex, lung)$chisq)
# Without ties the score test of a Cox model is the log-rank test; "exact" keeps that with ties.
note("late log-rank sex", coxph(Surv(entered, time, left) ~ sex, lung, ties = "exact")$score)

fits <- list(
  plain = coxph(Surv(time, left) ~ age + sex + ph.ecog, known),
  late = coxph(Surv(entered, time, left) ~ age + sex + ph.ecog, known),
  strata = coxph(Surv(time, left) ~ age + ph.ecog + strata(sex), known)
)
for (kind in names(fits)) {
  fit <- fits[[kind]]
  drift <- cox.zph(fit, terms = FALSE)$table
  for (name in names(coef(fit))) {
    note(paste(kind, name), coef(fit)[name])
    note(paste(kind, name, "error"), sqrt(diag(vcov(fit)))[name])
    note(paste(kind, name, "drift"), drift[name, "chisq"])
  }
  note(paste(kind, "log-likelihood"), fit$loglik[2])
}
several <- list(
  late = coxph(Surv(entered, time, left) ~ age + sex + ph.ecog, known, cluster = customer),
  strata = coxph(Surv(time, left) ~ age + ph.ecog + strata(sex), known, cluster = customer)
)
for (kind in names(several)) for (name in names(coef(several[[kind]]))) {
  note(paste("several", kind, name, "error"), sqrt(diag(vcov(several[[kind]])))[name])
}
curve <- survfit(Surv(entered, time, left) ~ 1, lung, cluster = customer, robust = TRUE)
note("several survival 365 error", summary(curve, times = 365)$std.err)
note("several mean 365 error", summary(curve, rmean = 365)$table["se(rmean)"])
note("plain concordance", concordance(fits$plain)$concordance)

cat("quantity,value\n")
for (name in names(answers)) cat(name, ",", format(answers[[name]], digits = 12), "\n", sep = "")
