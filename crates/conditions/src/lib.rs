//! The success and failure conditions of Argo Rollouts AnalysisTemplates
