package main

import (
	"encoding/json"
	"errors"
	"fmt"
	"math"
	"reflect"
	"strconv"
	"strings"
	"time"

	"github.com/argoproj/argo-rollouts/pkg/apis/rollouts/v1alpha1"
	"github.com/argoproj/argo-rollouts/utils/evaluate"
	"github.com/expr-lang/expr"
	"github.com/expr-lang/expr/conf"
	"github.com/expr-lang/expr/file"
	"github.com/expr-lang/expr/parser"
	"github.com/sirupsen/logrus"
)

func answerTo(asked request) (given answer) {
	defer func() {
		if r := recover(); r != nil {
			given = answer{Outcome: "error", Kind: "panic", Message: fmt.Sprint(r)}
		}
	}()
	result := resultOf(asked.Result)
	if asked.Expression != nil {
		return value(result, *asked.Expression)
	}
	if asked.Condition == nil {
		return phase(result, asked)
	}
	value, err := evaluate.EvalCondition(result, *asked.Condition)
	if err == nil {
		return answer{Outcome: strconv.FormatBool(value)}
	}
	given = place(result, *asked.Condition)
	given.Outcome, given.Message = "error", err.Error()
	return given
}

func value(result any, expression string) answer {
	env := environment(result)
	program, err := expr.Compile(expression, expr.Env(env))
	if err != nil {
		return answer{Outcome: "error", Message: err.Error()}
	}
	output, err := expr.Run(program, env)
	if err != nil {
		return answer{Outcome: "error", Message: err.Error()}
	}
	return answer{Outcome: "value", Message: fmt.Sprint(output)}
}

func phase(result any, asked request) answer {
	metric := v1alpha1.Metric{}
	if asked.Success != nil {
		metric.SuccessCondition = *asked.Success
	}
	if asked.Failure != nil {
		metric.FailureCondition = *asked.Failure
	}
	phase, err := evaluate.EvaluateResult(result, metric, *logrus.NewEntry(logrus.New()))
	given := answer{Outcome: string(phase)}
	if err != nil {
		given.Message = err.Error()
	}
	return given
}

// environment has the names and types of EvalCondition's own, which is not to be had from outside its package.
func environment(result any) map[string]any {
	if pointer, ok := result.(*float64); ok && pointer == nil {
		result = nil
	}
	return map[string]any{
		"result":  result,
		"asInt":   asInt,
		"asFloat": asFloat,
		"isNaN":   math.IsNaN,
		"isInf":   func(x float64) bool { return math.IsInf(x, 0) },
		"isNil":   func(any) bool { return result == nil },
		"default": func(_ any, other any) any {
			if result == nil {
				return other
			}
			return result
		},
	}
}

func asInt(in any) int64 {
	switch v := reflect.ValueOf(in); {
	case v.IsValid() && v.Type().PkgPath() != "":
	case v.CanInt():
		return v.Int()
	case v.CanUint():
		return int64(v.Uint())
	case v.CanFloat():
		return int64(v.Float())
	case v.Kind() == reflect.String:
		return must(strconv.ParseInt(v.String(), 10, 64))
	}
	panic("not a number")
}

func asFloat(in any) float64 {
	switch v := reflect.ValueOf(in); {
	case v.IsValid() && v.Type().PkgPath() != "":
	case v.CanInt():
		return float64(v.Int())
	case v.CanUint():
		return float64(v.Uint())
	case v.CanFloat():
		return v.Float()
	case v.Kind() == reflect.String:
		return must(strconv.ParseFloat(v.String(), 64))
	}
	panic("not a number")
}

// place runs the stages of EvalCondition one by one, because the evaluator itself tells neither which stage failed nor
// where.
func place(result any, condition string) answer {
	env := environment(result)
	config := conf.CreateNew()
	config.WithEnv(env)
	if _, err := parser.ParseWithConfig(condition, config); err != nil {
		return at("syntax", err)
	}
	program, err := expr.Compile(condition, expr.Env(env))
	if err != nil {
		return at("type", err)
	}
	output, err := expr.Run(program, env)
	if err != nil {
		return at("run", err)
	}
	if _, ok := output.(bool); !ok {
		return answer{Kind: "not bool"}
	}
	// Answers that change from run to run: the order of a map, the time.
	return answer{Kind: "run"}
}

func at(kind string, err error) answer {
	given := answer{Kind: kind}
	var placed *file.Error
	if errors.As(err, &placed) && placed.Snippet != "" {
		given.Line, given.Column = placed.Line, placed.Column+1
	}
	return given
}

// resultOf reads the notation of fixtures/conditions.jsonl.
func resultOf(spelled string) any {
	kind, rest, _ := strings.Cut(spelled, ":")
	switch kind {
	case "f":
		return must(strconv.ParseFloat(rest, 64))
	case "i":
		return must(strconv.Atoi(rest))
	case "s":
		return rest
	case "sf":
		floats := []float64{}
		must(0, json.Unmarshal([]byte(rest), &floats))
		return floats
	case "json":
		var value any
		must(0, json.Unmarshal([]byte(rest), &value))
		return value
	case "nil":
		return nil
	case "rawnil":
		return (*float64)(nil)
	case "nan":
		return math.NaN()
	case "inf":
		return math.Inf(1)
	case "-inf":
		return math.Inf(-1)
	}
	panic("unknown kind of result: " + spelled)
}

func must[T any](value T, err error) T {
	if err != nil {
		panic(err)
	}
	return value
}

type measured struct {
	Result      string  `json:"result"`
	Condition   string  `json:"condition"`
	Nanoseconds float64 `json:"nanoseconds"`
	// Compiled is the cost of running an already compiled program, which the controller never does.
	Compiled float64 `json:"compiled"`
}

func measure(asked request, atLeast time.Duration) measured {
	result := resultOf(asked.Result)
	env := environment(result)
	program := must(expr.Compile(*asked.Condition, expr.Env(env)))
	return measured{
		Result:    asked.Result,
		Condition: *asked.Condition,
		Nanoseconds: each(atLeast, func() {
			must(evaluate.EvalCondition(result, *asked.Condition))
		}),
		Compiled: each(atLeast, func() {
			must(expr.Run(program, env))
		}),
	}
}

// each returns the nanoseconds of one call, the best of three rounds.
func each(atLeast time.Duration, call func()) float64 {
	best := math.Inf(1)
	for range 3 {
		calls, begin := 0, time.Now()
		for time.Since(begin) < atLeast/3 {
			for range 64 {
				call()
			}
			calls += 64
		}
		best = min(best, float64(time.Since(begin).Nanoseconds())/float64(calls))
	}
	return best
}
